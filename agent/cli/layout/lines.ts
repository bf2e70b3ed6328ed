/**
 * Text for people, before it meets a terminal: lines made of spans with a tone, and the one place
 * where they become characters (width, wrapping, colour).
 *
 * Layouts build `Line`s and never count escape sequences; `render` does. Words that came from other
 * machines are cleaned here, so that no report can send control sequences to somebody's terminal.
 * Does not promise the width of wide (East Asian, emoji) characters: one code point counts as one.
 * Only ASCII and Latin-1 are used by the layouts, because a Pi's text console has no more glyphs.
 */
import { styleText } from 'node:util';

/** What a span means; `render` gives it a colour, or nothing when the output is plain. */
export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'dim' | 'strong';

export interface Span {
  readonly text: string;
  readonly tone: Tone;
}

/** One line; `indent` is where its continuation starts when it has to be wrapped (columns). */
export interface Line {
  readonly spans: readonly Span[];
  readonly indent: number;
}

/** How wide and how colourful the output may be. */
export interface Look {
  /** Columns; Infinity when the output is not a terminal, so that `grep` sees whole lines. */
  readonly width: number;
  readonly paint: (tone: Tone, text: string) => string;
}

type Format = Parameters<typeof styleText>[0];

const formats: Readonly<Record<Exclude<Tone, 'plain'>, Format>> = {
  good: 'green',
  warn: 'yellow',
  bad: ['bold', 'red'],
  dim: 'dim',
  strong: 'bold',
};

export const colours = (tone: Tone, text: string): string =>
  tone === 'plain' || text === ''
    ? text
    : styleText(formats[tone], text, { validateStream: false });

export const noColours = (_tone: Tone, text: string): string => text;

/** Control and formatting characters and line ends become blanks; the rest stays. */
const clean = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');

export const span = (text: string, tone: Tone = 'plain'): Span => ({ text: clean(text), tone });
export const line = (...spans: readonly (Span | string)[]): Line => hanging(0, ...spans);
/** A line whose continuation starts at column `indent`. */
export const hanging = (indent: number, ...spans: readonly (Span | string)[]): Line => ({
  spans: spans.map((one) => (typeof one === 'string' ? span(one) : one)),
  indent,
});
export const blank: Line = { spans: [], indent: 0 };

export const columns = (text: string): number => [...text].length;

/** Lines as strings without line ends, wrapped at words where they are wider than the look. */
export function render(lines: readonly Line[], look: Look): string[] {
  return lines.flatMap((one) => wrap(one, look));
}

/** Breaks one line between words; a word wider than a line is cut. */
function wrap(one: Line, look: Look): string[] {
  const limit = Math.max(20, look.width);
  const indent = Math.min(one.indent, Math.floor(limit / 2));
  const done: Span[][] = [];
  let current: Span[] = [];
  let used = 0;
  const breakLine = (): void => {
    done.push(current);
    current = [span(' '.repeat(indent))];
    used = indent;
  };
  for (const piece of one.spans.flatMap(words)) {
    let rest = piece.text;
    if (used > indent && used + columns(rest.trimEnd()) > limit) {
      breakLine();
      rest = rest.trimStart();
    }
    while (used + columns(rest.trimEnd()) > limit) {
      const room = limit - used;
      current.push({ text: [...rest].slice(0, room).join(''), tone: piece.tone });
      rest = [...rest].slice(room).join('');
      breakLine();
    }
    current.push({ text: rest, tone: piece.tone });
    used += columns(rest);
  }
  done.push(current);
  return done.map((spans) => paintLine(spans, look));
}

/** A span as its words, each with the blanks that follow it. */
const words = ({ text, tone }: Span): Span[] =>
  (text.match(/\s+|\S+\s*/g) ?? []).map((word) => ({ text: word, tone }));

/** Joins neighbours of one tone (fewer escape sequences) and drops blanks at the end. */
function paintLine(spans: readonly Span[], look: Look): string {
  const joined: Span[] = [];
  for (const one of spans) {
    const last = joined.at(-1);
    if (last?.tone === one.tone) joined.splice(-1, 1, { ...last, text: last.text + one.text });
    else joined.push(one);
  }
  while (joined.length > 0) {
    const last = joined.pop() as Span;
    const text = last.text.trimEnd();
    if (text === '') continue;
    joined.push({ ...last, text });
    break;
  }
  return joined.map((one) => look.paint(one.tone, one.text)).join('');
}
