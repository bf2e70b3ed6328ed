/** Colours and redrawing on a real stream object that records what is written. */
import { expect, test } from 'vitest';
import { terminalOutput, wantsColour } from '../../../agent/cli/adapters/terminal.ts';

interface Screen {
  readonly isTTY: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

function output(screen: Screen, environment: Record<string, string> = {}) {
  const written: string[] = [];
  const stream = { ...screen, write: (text: string) => written.push(text) > 0 };
  return { out: terminalOutput(stream as unknown as NodeJS.WriteStream, environment), written };
}

test.each([
  [true, {}, true],
  [false, {}, false],
  [true, { NO_COLOR: '1' }, false],
  [true, { NO_COLOR: '' }, true],
  [true, { TERM: 'dumb' }, false],
])('terminal %s, environment %j: colours %s', (isTerminal, environment, wanted) => {
  expect(wantsColour(isTerminal, environment)).toBe(wanted);
});

test('piped output is plain and as wide as it likes', () => {
  const { out, written } = output({ isTTY: false });
  expect(out.look().width).toBe(Number.POSITIVE_INFINITY);
  expect(out.look().paint('bad', 'text')).toBe('text');
  out.redraw(['one']);
  out.redraw(['two']);
  expect(written).toEqual(['one\n', '\ntwo\n']);
});

test('a terminal is painted in its width, 80 when it does not say', () => {
  expect(output({ isTTY: true, columns: 132 }).out.look().width).toBe(132);
  const { out } = output({ isTTY: true });
  expect(out.look().width).toBe(80);
  expect(out.look().paint('bad', 'text')).not.toBe('text');
});

test('a picture never scrolls the screen, and leaves nothing of the one before', () => {
  const { out, written } = output({ isTTY: true, columns: 80, rows: 3 });
  out.redraw(['a', 'b', 'c', 'd']);
  expect(written[0]).toContain('a');
  expect(written[0]).toContain('b');
  expect(written[0]).not.toContain('c');
  // Home, then each line erases the rest of its own, then everything below.
  expect(written[0]?.startsWith('\u001b[H')).toBe(true);
  expect(written[0]?.endsWith('\u001b[J')).toBe(true);
});
