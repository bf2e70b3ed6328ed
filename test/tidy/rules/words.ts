/**
 * Words and paths that belong to somebody's desk, not to the project: absolute paths of a machine
 * the code was written on, marks of unfinished work, and a list of words.
 *
 * The list is kept as digests (first 16 digits of SHA-256 of the word in small letters), because a
 * list in plain text would itself be what it forbids.
 */
import { createHash } from 'node:crypto';
import { type Finding, linesOf, type TextFile } from '../source.ts';

const digest = (word: string): string =>
  createHash('sha256').update(word).digest('hex').slice(0, 16);

const forbiddenDigests: ReadonlySet<string> = new Set([
  // The word that the test of this rule uses.
  'a9ed08f3e0fb16ea',
  'c857d09db23e6822',
  'c70eca6b0f88f44d',
  '60965168ce762e94',
  '7d3194f79e645c42',
  '3ea125d0bff386e6',
  '487b91042c7cf27a',
  'de2187af3fb01170',
  '94a168d2da574b00',
  'd298391b07433318',
  '29447fab346b1477',
  '897939b397a816da',
  '053ea4804ef1bb33',
  '57de4cf40144bdf7',
  '5d72436256ada538',
  'ba20768a02ee5327',
  'f5cfcb570b7edac2',
  '386ebc0efd04339a',
  'e12ce8285efc67c6',
  'c9ad8f2cc1294afa',
]);

const places: readonly { readonly pattern: RegExp; readonly text: string }[] = [
  { pattern: /(?<![\w.$}*-])\/(?:work|Users)\/\w/, text: 'a path of one machine' },
  // Written so that it does not find itself.
  {
    pattern: /\b(?:TO[D]O|FIX[M]E|X{3})\b/,
    text: 'a mark of unfinished work: do it or open an issue',
  },
];

const word = /[A-Za-z][A-Za-z0-9-]*/g;
const known = new Map<string, boolean>();

/** True when the word is on the list; each word is digested once. */
function forbidden(text: string): boolean {
  const lower = text.toLowerCase();
  const answer = known.get(lower);
  if (answer !== undefined) return answer;
  const fresh = forbiddenDigests.has(digest(lower));
  known.set(lower, fresh);
  return fresh;
}

export function deskWords({ path, text }: TextFile): Finding[] {
  const rule = 'desk-words';
  return linesOf(text).flatMap((line, at) => {
    const found: Finding[] = [];
    for (const { pattern, text: why } of places) {
      if (pattern.test(line)) found.push({ rule, path, line: at + 1, text: why });
    }
    for (const [match] of line.matchAll(word)) {
      const parts = [match, ...match.split('-')];
      if (parts.some(forbidden)) {
        found.push({ rule, path, line: at + 1, text: `"${match}" does not belong here` });
      }
    }
    return found;
  });
}
