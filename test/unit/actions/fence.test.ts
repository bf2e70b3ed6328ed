/** Fence and gate: what happens first, and what happens when a part of it fails. */
import { expect, test } from 'vitest';
import { createFence } from '../../../agent/actions/fence.ts';
import { createGate, type DataPathGate } from '../../../agent/actions/gate.ts';
import type { UnitManager, UnitResult } from '../../../agent/actions/unit-manager.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import { instant, milliseconds, seconds } from '../../../shared/time/duration.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const makeFence = (results: UnitResult[], close: () => void = () => undefined) => {
  const clock = fakeClock();
  const calls: string[] = [];
  const fence = createFence({
    units: {
      fence: async () => {
        calls.push('kill');
        return results.shift() ?? { ok: true };
      },
    } as unknown as UnitManager,
    steps: { cut: (reason) => calls.push(`cut ${reason}`) },
    gate: {
      close: () => {
        calls.push('close');
        close();
      },
    },
    clock,
    grace: milliseconds(250),
    problem: (detail) => calls.push(`problem ${detail}`),
  });
  return { fence, calls, clock };
};

test('steps are cut and the gate is shut before the server is killed', async () => {
  const { fence, calls } = makeFence([]);
  fence.fence('over');
  await fence.settled();
  expect(calls).toEqual(['cut fenced: over', 'close', 'kill']);
});

test('a gate that cannot be closed does not save the server', async () => {
  const { fence, calls } = makeFence([], () => {
    throw new TypeError('no space');
  });
  fence.fence('over');
  await fence.settled();
  expect(calls).toEqual(['cut fenced: over', 'close', 'problem no space', 'kill']);
});

test('a kill that fails is tried until it succeeds, and told each time', async () => {
  const stuck: UnitResult = { ok: false, detail: 'hangs' };
  const { fence, calls, clock } = makeFence([stuck, stuck]);
  fence.fence('over');
  for (let second = 0; second < 3; second += 1) {
    await turn();
    clock.advance(seconds(1));
  }
  await fence.settled();
  expect(calls.filter((call) => call === 'kill')).toHaveLength(3);
  expect(calls.filter((call) => call === 'problem hangs')).toHaveLength(2);
});

test('a second fence joins the first, and a later one begins anew', async () => {
  const { fence, calls } = makeFence([]);
  fence.fence('one');
  fence.fence('two');
  await fence.settled();
  expect(calls.filter((call) => call === 'kill')).toHaveLength(1);
  fence.fence('three');
  await fence.settled();
  expect(calls.filter((call) => call === 'kill')).toHaveLength(2);
});

const makeGate = () => {
  const files = memoryFiles({});
  const seen: string[] = [];
  const path = '/run/baton/lease';
  const state = () => (files.exists(path) ? 'file' : 'no file');
  const dataPath: DataPathGate = {
    allow: (deadline) => seen.push(`allow until ${deadline} with ${state()}`),
    shut: () => seen.push(`shut with ${state()}`),
    problem: () => null,
    close: () => undefined,
  };
  files.makeDirectory('/run/baton');
  const gate = createGate({ files, dataPath, path, bootId: 'b00', owner: 'pi1' });
  return { gate, files, seen, path };
};

test('opening writes the file first; closing shuts the data path first', () => {
  const { gate, files, seen, path } = makeGate();
  gate.open(4, instant(3500));
  expect(files.read(path)).toContain('deadline_ms=3500');
  gate.close();
  gate.close();
  expect(seen).toEqual(['allow until 3500 with file', 'shut with file', 'shut with no file']);
});
