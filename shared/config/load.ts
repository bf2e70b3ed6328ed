/**
 * A daemon's settings from the text of its YAML file: all of them valid, or every problem found.
 *
 * Refuses rather than repairs: an unknown key, a wrong type, a value out of bounds or a broken rule
 * between settings each ends in a problem with file, line and key. Rules are looked at only when
 * every single value is right, because a sum of wrong values misleads. Never throws.
 *
 * Source: YAML 1.2 core schema by the `yaml` package.
 */
import { LineCounter, parseDocument } from 'yaml';
import { checkNode, type Walk, type YamlNode } from './check.ts';
import { inOrder, type SettingsProblem } from './problems.ts';
import type { Group, SettingsOf, Shape } from './schema.ts';

/** A broken rule between settings, before it has a line. */
export interface BrokenAcross {
  /** Path of the setting to point at, as in `SettingsProblem.key`. */
  readonly key: string;
  /** What fails, with its sum: complete sentence. */
  readonly sum: string;
  /** The rule's own name, when one check covers several. */
  readonly rule?: string;
}

/** A rule between settings. */
export interface Rule<Settings> {
  readonly name: string;
  /** What holds, for the reference page. */
  readonly says: string;
  check(settings: Settings): readonly BrokenAcross[];
}

/** Everything about the settings of one daemon. */
export interface Declaration<Entries extends Shape = Shape, Settings = SettingsOf<Group<Entries>>> {
  readonly daemon: string;
  /** Where the file is on a machine. */
  readonly place: string;
  readonly schema: Group<Entries>;
  readonly rules: readonly Rule<Settings>[];
}

export type LoadedSettings<Settings> =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly SettingsProblem[] };

/** Far above any settings file; the parser's time and depth are bounded by it. */
export const LARGEST_FILE = 256 * 1024;

// Not 'silent': a second document would be ignored without a word.
const options = { prettyErrors: false, uniqueKeys: false, logLevel: 'error' } as const;

/** The document, or what keeps it from being one. */
function parse(text: string, file: string, lines: LineCounter) {
  const problem = (line: number, words: string): SettingsProblem => ({
    file,
    line,
    key: '',
    rule: 'syntax',
    text: words,
  });
  if (text.length > LARGEST_FILE) {
    const words = `has ${text.length} characters, must have at most ${LARGEST_FILE}`;
    return { ok: false as const, problems: [problem(1, words)] };
  }
  try {
    const document = parseDocument(text, { ...options, lineCounter: lines });
    const problems = [...document.errors, ...document.warnings].map((error) =>
      problem(lines.linePos(error.pos[0]).line || 1, `is not readable as YAML: ${error.message}`),
    );
    if (problems.length > 0) return { ok: false as const, problems };
    return { ok: true as const, root: document.contents as YamlNode };
  } catch (error) {
    // The parser is recursive: a file of nothing but brackets exhausts its stack.
    const words = `is not readable as YAML: ${error instanceof Error ? error.message : 'nesting'}`;
    return { ok: false as const, problems: [problem(1, words)] };
  }
}

/** The line of a key, or of the nearest section above it that is in the file. */
function lineNear(walk: Walk, key: string): number {
  for (let path = key; path !== ''; path = path.replace(/(?:^|\.)[^.[]*$|\[\d+\]$/, '')) {
    const line = walk.lineOf.get(path);
    if (line !== undefined) return line;
  }
  return 1;
}

/** Reads `text`; `file` is only named in problems. */
export function loadSettings<Entries extends Shape>(
  declaration: Declaration<Entries>,
  text: string,
  file: string,
): LoadedSettings<SettingsOf<Group<Entries>>> {
  const lines = new LineCounter();
  const parsed = parse(text, file, lines);
  if (!parsed.ok) return { ok: false, problems: inOrder(parsed.problems) };
  const { schema, rules } = declaration;
  const walk: Walk = { file, lines, root: schema, problems: [], lineOf: new Map() };
  const value = checkNode(walk, schema, parsed.root, { key: '', line: 1 });
  if (walk.problems.length > 0) return { ok: false, problems: inOrder(walk.problems) };
  // No complaint means that every entry of the schema was found right or filled in.
  const settings = value as SettingsOf<Group<Entries>>;
  const broken = rules.flatMap((rule) =>
    rule.check(settings).map((found) => ({
      file,
      line: lineNear(walk, found.key),
      key: found.key,
      rule: found.rule ?? rule.name,
      text: found.sum,
    })),
  );
  return broken.length > 0 ? { ok: false, problems: inOrder(broken) } : { ok: true, settings };
}
