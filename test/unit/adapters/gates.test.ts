/** The nftables gate, the wall clock step and the record store, on fakes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRecordStore } from '../../../agent/actions/record-store.ts';
import { gateRules, nftGate, refreshLine } from '../../../agent/adapters/nft-gate.ts';
import { wallClockStep } from '../../../agent/adapters/wall-clock.ts';
import type { DiskRecord } from '../../../agent/core/types.ts';
import { dataPathGate } from '../../../agent/wiring/data-path.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { fakeProcesses } from '../../../shared/ports/fakes/fake-processes.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import { milliseconds, seconds, wallTime } from '../../../shared/time/duration.ts';

import { agentSettings, agentText } from '../config/samples.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test('one line per renewal empties and fills the set in one transaction', () => {
  expect(refreshLine([6443], milliseconds(4321.9))).toBe(
    'flush set inet baton lease; add element inet baton lease { 6443 timeout 4321ms }',
  );
  expect(refreshLine([6443], milliseconds(0.4))).toBe('flush set inet baton lease');
});

test('the timeout of the kernel is never longer than what is left', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (left) => {
      const said = /timeout (\d+)ms/.exec(refreshLine([6443], milliseconds(left)))?.[1];
      return Number(said ?? 0) <= left;
    }),
  );
});

test('loading keeps the set: a restart of the agent shuts nobody out', () => {
  const rules = gateRules([6443]);
  expect(rules).not.toContain('flush set');
  expect(rules).not.toContain('delete');
  expect(rules).toContain('tcp dport { 6443 } tcp dport != @lease drop');
  expect(rules).toContain('tcp sport { 6443 } tcp sport != @lease drop');
});

test('without nftables the gate says what is missing and harms nothing', async () => {
  const gate = await nftGate(fakeProcesses(), [6443]);
  expect(gate.problem()).toMatch(/no data-path gate/);
  gate.allow(seconds(5));
  gate.shut();
  gate.close();
});

test('without nftables a lease with room goes on, one without room ends the start', async () => {
  const gate = await dataPathGate(agentSettings(), fakeProcesses());
  expect(gate.problem()).toMatch(/no data-path gate/);
  gate.close();
  const tight = agentSettings(`${agentText}lease:\n  lease_duration_ms: 7500\n`);
  await expect(dataPathGate(tight, fakeProcesses())).rejects.toThrow(
    /no data-path gate.* install nftables, or lengthen the lease: .* = 7500 must be below .* 7425/,
  );
  const processes = fakeProcesses();
  processes.install('nft');
  const kept = await dataPathGate(tight, processes);
  expect(kept.problem()).toBeNull();
  kept.close();
});

test('one long-lived process carries all lines, and is started again when it ends', async () => {
  const processes = fakeProcesses();
  processes.install('nft');
  const gate = await nftGate(processes, [6443]);
  expect(gate.problem()).toBeNull();
  gate.allow(seconds(5));
  gate.allow(seconds(4));
  expect(processes.started).toHaveLength(1);
  expect(processes.started[0]?.lines).toHaveLength(2);
  processes.started[0]?.end(1);
  await turn();
  expect(gate.problem()).toMatch(/ended/);
  gate.shut();
  expect(processes.started[1]?.lines).toEqual(['flush set inet baton lease']);
  gate.close();
});

test('a refused line is told while it lasts, and no longer', async () => {
  const processes = fakeProcesses();
  processes.install('nft');
  const gate = await nftGate(processes, [6443]);
  for (let round = 0; round < 3; round += 1) {
    gate.allow(seconds(5));
    processes.started[0]?.options.onErrors?.('Error: Could not process rule: No such file\n');
    expect(gate.problem()).toContain('Could not process rule');
  }
  gate.allow(seconds(5));
  gate.allow(seconds(5));
  expect(gate.problem()).toBeNull();
  gate.close();
});

test('a process that ended and was started again is no trouble any more', async () => {
  const processes = fakeProcesses();
  processes.install('nft');
  const gate = await nftGate(processes, [6443]);
  gate.allow(seconds(5));
  processes.started[0]?.end(1);
  await turn();
  expect(gate.problem()).toMatch(/ended/);
  gate.allow(seconds(5));
  expect(gate.problem()).toBeNull();
  gate.close();
});

const DATE = Date.UTC(2026, 0, 1);
const makeWall = (code = 0) => {
  const processes = fakeProcesses();
  processes.install('date', () => ({ code, stderr: 'not permitted' }));
  const clock = fakeClock({ wall: wallTime(DATE) });
  const said: string[] = [];
  const step = wallClockStep({ processes, clock }, (sentence) => said.push(sentence));
  return { processes, said, step };
};

test('a clock years behind is stepped before a server starts, and that is said', async () => {
  const { processes, said, step } = makeWall();
  const newest = wallTime(Date.UTC(2029, 5, 1));
  expect(await step(newest)).toBeNull();
  expect(processes.calls[0]?.args).toEqual(['--utc', '--set=2029-06-01T00:00:00.000Z']);
  expect(said[0]).toContain('stepped to 2029-06-01');
});

test('a clock is never stepped back, however far ahead it is', async () => {
  const { processes, step } = makeWall();
  for (const wall of [0, DATE - 1e12, DATE, DATE + 900]) {
    expect(await step(wallTime(wall))).toBeNull();
  }
  expect(processes.calls).toEqual([]);
});

test('without the right to set the clock no server starts, and the reason says why', async () => {
  const { step } = makeWall(1);
  expect(await step(wallTime(DATE + 1e9))).toMatch(/certificates would not be valid/);
});

const record: DiskRecord = {
  version: 1,
  highest_epoch: 4,
  epoch_owner: 'pi1',
  list: { epoch: 4, number: 1, members: ['pi1', 'pi2'], previous: [], committed: true },
  newest_wall_ms: 5,
};
const paths = { disk: '/var/lib/baton/lease.json', run: '/run/baton/lease.json' };

test('a record comes back as it was; a damaged one counts as lost and is told', () => {
  const files = memoryFiles({});
  files.makeDirectory('/var/lib/baton');
  const store = createRecordStore(files, paths);
  expect(store.load()).toEqual({ disk: null, run: null, damaged: [] });
  expect(store.saveDisk(record)).toBeNull();
  expect(store.load().disk).toEqual(record);
  const text = files.read(paths.disk) ?? '';
  files.write(paths.disk, text.replace('"highest_epoch":4', '"highest_epoch":3'), { sync: false });
  const { disk, damaged } = store.load();
  expect([disk, damaged.length]).toEqual([null, 1]);
});

test('a folder that is gone fails the write with a reason, and throws nothing', () => {
  const store = createRecordStore(memoryFiles({}), paths);
  expect(store.saveDisk(record)).toMatchObject({ failed: expect.stringContaining('lease.json') });
});

/** A card with room for so many characters; a file is written beside the one that it replaces. */
const smallCard = (capacity: { characters: number }) => {
  const files = memoryFiles({});
  const write: typeof files.write = (path, text, options) => {
    const used = [...files.texts.values()].reduce((sum, one) => sum + one.length, 0);
    files.full(used + text.length > capacity.characters);
    files.write(path, text, options);
  };
  return { ...files, ...bound(files), write };
};

const bound = (files: ReturnType<typeof memoryFiles>) => ({
  read: (path: string) => files.read(path),
  remove: (path: string) => files.remove(path),
  exists: (path: string) => files.exists(path),
  list: (path: string) => files.list(path),
  makeDirectory: (path: string) => files.makeDirectory(path),
});

test('a record finds room on a card that something else has filled, again and again', () => {
  const capacity = { characters: 1_000_000 };
  const files = smallCard(capacity);
  files.makeDirectory('/var/lib/baton');
  const store = createRecordStore(files, paths);
  expect(store.saveDisk(record)).toBeNull();
  files.write('/var/lib/baton/other', 'x'.repeat(1000), { sync: true });
  // Not a character is left, but what the reserve holds.
  const names = files.list('/var/lib/baton').map((name) => files.read(`/var/lib/baton/${name}`));
  capacity.characters = names.reduce((sum, text) => sum + (text ?? '').length, 0);
  for (const epoch of [5, 6, 7]) {
    const next = { ...record, highest_epoch: epoch };
    expect(store.saveDisk(next)).toBeNull();
    expect(store.load().disk).toEqual(next);
  }
  expect(() => files.write('/var/lib/baton/more', 'x'.repeat(99), { sync: true })).toThrow('full');
});
