/**
 * The story of a run as lines: seconds since the curtain rose, a mark, a sentence. Colours on a
 * terminal only (and not with NO_COLOR, https://no-color.org).
 */

export type Mark = 'fault' | 'news' | 'lease' | 'good' | 'plain' | 'bad';

const symbols: Readonly<Record<Mark, string>> = {
  fault: '✖',
  news: '·',
  lease: '★',
  good: '✔',
  plain: ' ',
  bad: '!',
};

const colours: Readonly<Record<Mark, string>> = {
  fault: '31',
  news: '2',
  lease: '33',
  good: '32',
  plain: '0',
  bad: '1;31',
};

/** `0.4 s`, `9.12 s`, `-` for what was not seen. */
export const secondsOf = (ms: number | null, digits = 2): string =>
  ms === null ? '-' : (ms / 1000).toFixed(digits);

export interface Timeline {
  scene(title: string): void;
  /** `atMs` is wall clock; now when it is left out. */
  tell(mark: Mark, sentence: string, atMs?: number): void;
  /** A line without a time. */
  print(line: string): void;
}

const WIDTH = 96;

export const makeTimeline = (
  print: (line: string) => void,
  options: { colour: boolean; startMs: number },
): Timeline => {
  const paint = (code: string, text: string): string =>
    options.colour && code !== '0' ? `\u001b[${code}m${text}\u001b[0m` : text;
  return {
    scene: (title) => {
      print('');
      print(paint('1', `── ${title} ${'─'.repeat(Math.max(3, WIDTH - title.length - 4))}`));
    },
    tell: (mark, sentence, atMs = Date.now()) => {
      const time = `${secondsOf(atMs - options.startMs, 1).padStart(7)} s`;
      const words = mark === 'news' || mark === 'plain' ? sentence : paint(colours[mark], sentence);
      print(`${paint('2', time)}  ${paint(colours[mark], symbols[mark])} ${words}`);
    },
    print,
  };
};
