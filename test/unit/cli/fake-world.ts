/** A `World` in memory: what was printed and complained, and answers that a test chooses. */
import type { ControlRequest } from '../../../agent/cli/control.ts';
import { noColours } from '../../../agent/cli/layout/lines.ts';
import { run } from '../../../agent/cli/run.ts';
import type { ControlOutcome, Exit, World } from '../../../agent/cli/world.ts';
import { type FakeClock, fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { type MemoryFiles, memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';

export const settingsText = `
node: { name: pi1 }
cluster:
  key_file: /etc/baton/cluster.key
  nodes:
    - { name: pi1, address: 10.0.0.11, coordinator: true }
    - { name: pi2, address: 10.0.0.12, coordinator: true }
    - { name: pi4, address: 10.0.0.14, eligible: false }
`;

export interface FakeWorld {
  readonly files: MemoryFiles;
  readonly clock: FakeClock;
  readonly printed: string[];
  readonly complained: string[];
  readonly drawn: (readonly string[])[];
  readonly asked: { readonly socket: string; readonly request: ControlRequest }[];
  /** What the person was asked. */
  readonly questions: string[];
  /** What the agent answers; may be replaced between two questions. */
  answer: ControlOutcome;
  /** What the person types; null when nobody is there. */
  reply: string | null;
  interrupt(): void;
  baton(...args: string[]): Promise<Exit>;
}

export const answering = (value: unknown): ControlOutcome => ({
  ok: true,
  line: JSON.stringify(value),
});

export function fakeWorld(
  start: Readonly<Record<string, string>> = {},
  environment: Readonly<Record<string, string>> = {},
): FakeWorld {
  const stops: (() => void)[] = [];
  const fake: FakeWorld = {
    files: memoryFiles(start),
    clock: fakeClock(),
    printed: [],
    complained: [],
    drawn: [],
    asked: [],
    questions: [],
    answer: { ok: false, message: 'no answer was prepared' },
    reply: null,
    interrupt: () => {
      for (const stop of stops) stop();
    },
    baton: (...args) => run(world, args),
  };
  const world: World = {
    environment,
    clock: fake.clock,
    files: fake.files,
    randomBytes: (bytes) => new Uint8Array(bytes).fill(7),
    control: async (socket, request) => {
      fake.asked.push({ socket, request });
      return fake.answer;
    },
    output: {
      look: () => ({ width: 80, paint: noColours }),
      isTerminal: true,
      print: (lines) => void fake.printed.push(...lines),
      redraw: (lines) => void fake.drawn.push(lines),
    },
    complain: (line) => void fake.complained.push(line),
    ask: async (question) => {
      fake.questions.push(question);
      return fake.reply;
    },
    onInterrupt: (stop) => void stops.push(stop),
  };
  return fake;
}
