/**
 * The real terminal: colours, width, questions, redrawing.
 *
 * Colours: only on a terminal, never with NO_COLOR (https://no-color.org: set and not empty) or
 * TERM=dumb. Redrawing goes home and clears line by line instead of clearing the screen first,
 * because that would flicker once a second.
 */
import { createInterface } from 'node:readline/promises';
import { colours, type Look, noColours } from '../layout/lines.ts';
import type { Output } from '../world.ts';

const ESCAPE = '\u001b[';
const home = `${ESCAPE}H`;
const clearRestOfLine = `${ESCAPE}K`;
const clearBelow = `${ESCAPE}J`;

/** Columns of a terminal that does not tell them. */
const DEFAULT_WIDTH = 80;

type Environment = Readonly<Record<string, string | undefined>>;

export function wantsColour(isTerminal: boolean, environment: Environment): boolean {
  const refused = (environment.NO_COLOR ?? '') !== '' || environment.TERM === 'dumb';
  return isTerminal && !refused;
}

/** Standard output as the layouts see it. */
export function terminalOutput(stream: NodeJS.WriteStream, environment: Environment): Output {
  const isTerminal = stream.isTTY === true;
  const paint = wantsColour(isTerminal, environment) ? colours : noColours;
  const look = (): Look => ({
    width: isTerminal ? stream.columns || DEFAULT_WIDTH : Number.POSITIVE_INFINITY,
    paint,
  });
  let drawn = 0;
  const print = (lines: readonly string[]): void => {
    stream.write(lines.map((line) => `${line}\n`).join(''));
  };
  const repaint = (lines: readonly string[]): void => {
    // More lines than the screen has would scroll and smear.
    const shown = lines.slice(0, Math.max(1, (stream.rows || lines.length + 1) - 1));
    const text = shown.map((line) => `${line}${clearRestOfLine}\n`).join('');
    stream.write(`${home}${drawn === 0 ? clearBelow : ''}${text}${clearBelow}`);
  };
  const redraw = (lines: readonly string[]): void => {
    if (isTerminal) repaint(lines);
    else print(drawn === 0 ? lines : ['', ...lines]);
    drawn += 1;
  };
  return { look, isTerminal, print, redraw };
}

/** Asks on standard error, so that the answer never mixes with piped output. */
export async function askOnTerminal(question: string): Promise<string | null> {
  if (process.stdin.isTTY !== true) return null;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<null>((resolve) => lines.once('close', () => resolve(null)));
  try {
    return await Promise.race([lines.question(question), closed]);
  } finally {
    lines.close();
  }
}
