/** The nftables gate, the wall clock step and the record store, on fakes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRecordStore } from '../../../agent/actions/record-store.ts';
import { gateRules, nftGate, refreshLine } from '../../../agent/adapters/nft-gate.ts';
import { wallClockStep } from '../../../agent/adapters/wall-clock.ts';
import type { DiskRecord } from '../../../agent/core/types.ts';
import { dataPathGate } from '../../../agent/wiring/data-path.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { type FakeProcess, fakeProcesses } from '../../../shared/ports/fakes/fake-processes.ts';
import { memoryFiles } from '../../../shared/ports/fakes/memory-files.ts';
import {
  after,
  type Duration,
  milliseconds,
  seconds,
  wallTime,
} from '../../../shared/time/duration.ts';

import { agentSettings, agentText } from '../config/samples.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What `nft -i` writes when it lists the set of tickets, with this one in it or with none. */
const listing = (ticket: number | null): string => {
  const element = `0x${(ticket ?? 0).toString(16).padStart(8, '0')} timeout 250ms expires 249ms`;
  const elements = ticket === null ? '' : `\t\telements = { ${element} }\n`;
  return `table inet baton {\n\tset ticket {\n\t\ttype mark\n${elements}\t}\n}\n`;
};

const makeNft = async () => {
  const processes = fakeProcesses();
  processes.install('nft');
  const clock = fakeClock();
  const gate = await nftGate({ processes, now: clock.now }, [6443]);
  const child = () => {
    const last = processes.started.at(-1);
    if (last === undefined) throw new TypeError('no nft was started');
    return last;
  };
  const lines = () => child().lines.flatMap((line) => line.split('\n'));
  return {
    gate,
    clock,
    processes,
    child,
    lines,
    allow: (duration: Duration) => gate.allow(after(clock.now(), duration)),
    answer: () => child().options.onOutput?.(listing(lastTicket(lines()))),
    late: () => child().options.onOutput?.(listing(null)),
    refuse: (text = NO_TABLE) => child().options.onErrors?.(text),
  };
};

const SHUT = 'flush set inet baton lease';
const NO_TABLE = 'Error: Could not process rule: No such file\n';
const TICKET = /ticket \{ (\d+) timeout (\d+)ms/;
const lastTicket = (lines: readonly string[]): number =>
  Number(TICKET.exec(lines.findLast((line) => TICKET.test(line)) ?? '')?.[1]);
const lifeOf = (line: string | undefined): number => Number(TICKET.exec(line ?? '')?.[2]);
const openFor = (line: string | undefined): number =>
  Number(/6443 timeout (\d+)ms/.exec(line ?? '')?.[1] ?? 0);

test('the line that opens hands the ticket in, empties and fills the set at once', () => {
  expect(refreshLine([6443], 77, milliseconds(4321.9))).toBe(
    'delete element inet baton ticket { 77 }; flush set inet baton lease; ' +
      'add element inet baton lease { 6443 timeout 4321ms }',
  );
  // A timeout of less than one step of the kernel's timer may be none at all: open for good.
  expect(refreshLine([6443], 77, milliseconds(19.9))).toBe('flush set inet baton lease');
});

test('the timeout of the kernel is never longer than what is left', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (left) => {
      const said = openFor(refreshLine([6443], 1, milliseconds(left)));
      return said <= left && (said === 0 || said >= 20);
    }),
  );
});

test('whenever the kernel takes the two lines, the end is before the deadline', async () => {
  const times = { left: fc.integer({ min: 1, max: 60_000 }), frozen: fc.nat(70_000) };
  const isBounded = fc.asyncProperty(fc.record(times), async ({ left, frozen }) => {
    const { clock, allow, answer, lines, gate } = await makeNft();
    const deadline = after(clock.now(), milliseconds(left));
    allow(milliseconds(left));
    const life = lifeOf(lines()[0]);
    // The kernel took the ticket at the latest now; the agent reads that later.
    clock.advance(milliseconds(frozen));
    answer();
    const open = openFor(lines().at(-1));
    gate.close();
    return open === 0 || clock.now() + life + open < deadline;
  });
  await fc.assert(isBounded);
});

test('the shortest lease that settings allow opens too', async () => {
  const { allow, answer, lines, gate } = await makeNft();
  allow(milliseconds(200));
  answer();
  expect(openFor(lines().at(-1))).toBe(160);
  gate.close();
});

test('a deadline that has passed allows nothing', async () => {
  const { allow, lines, gate } = await makeNft();
  allow(milliseconds(0));
  allow(milliseconds(-500));
  expect(new Set(lines())).toEqual(new Set(['flush set inet baton lease']));
  gate.close();
});

test('loading keeps the sets: a restart of the agent shuts nobody out', () => {
  const rules = gateRules([6443]);
  expect(rules).not.toContain('flush set');
  expect(rules).not.toContain('delete');
  expect(rules).toContain('tcp dport { 6443 } tcp dport != @lease drop');
  expect(rules).toContain('tcp sport { 6443 } tcp sport != @lease drop');
});

test('without nftables the gate says what is missing and harms nothing', async () => {
  const { now } = fakeClock();
  const gate = await nftGate({ processes: fakeProcesses(), now }, [6443]);
  for (let round = 0; round < 2; round += 1) {
    expect(gate.problem()).toMatch(/no data-path gate/);
    gate.allow(after(now(), seconds(5)));
    gate.shut();
  }
  gate.close();
});

test('without nftables a lease with room goes on, one without room ends the start', async () => {
  const { now } = fakeClock();
  const missing = { processes: fakeProcesses(), now };
  const gate = await dataPathGate(agentSettings(), missing);
  expect(gate.problem()).toMatch(/no data-path gate/);
  gate.close();
  const tight = agentSettings(`${agentText}lease:\n  lease_duration_ms: 7500\n`);
  await expect(dataPathGate(tight, missing)).rejects.toThrow(
    /no data-path gate.* install nftables, or lengthen the lease: .* = 7500 must be below .* 7425/,
  );
  const processes = fakeProcesses();
  processes.install('nft');
  const kept = await dataPathGate(tight, { processes, now });
  expect(kept.problem()).toBeNull();
  kept.close();
});

test('where no gate is wanted the one from before is removed', async () => {
  const none = agentSettings(`${agentText}network:\n  data_path_gate: none\n`);
  const { now } = fakeClock();
  const processes = fakeProcesses();
  expect((await dataPathGate(none, { processes, now })).problem()).toBeNull();
  processes.install('nft');
  expect((await dataPathGate(none, { processes, now })).problem()).toBeNull();
  expect(processes.calls.at(-1)?.input).toContain('delete table inet baton');
  processes.install('nft', () => ({ code: 1, stderr: 'Operation not permitted' }));
  const kept = await dataPathGate(none, { processes, now });
  expect(kept.problem()).toMatch(/may keep the API shut: .*not permitted/);
});

test('one long-lived process carries all lines, and is started again when it ends', async () => {
  const { gate, processes, allow, answer, lines } = await makeNft();
  expect(gate.problem()).toBeNull();
  for (const duration of [seconds(5), seconds(4)]) {
    allow(duration);
    answer();
  }
  expect(processes.started).toHaveLength(1);
  expect(lines()).toHaveLength(6);
  expect(lines().map(openFor)).toEqual([0, 0, 4730, 0, 0, 3780]);
  processes.started[0]?.end(1);
  await turn();
  expect(gate.problem()).toMatch(/ended/);
  gate.shut();
  expect(processes.started[1]?.lines).toEqual(['flush set inet baton lease']);
  gate.close();
});

test('a refused line is told while it lasts, and no longer', async () => {
  const { gate, allow, answer, refuse } = await makeNft();
  for (let round = 0; round < 3; round += 1) {
    allow(seconds(5));
    refuse();
    expect(gate.problem()).toContain('Could not process rule');
    answer();
    expect(gate.problem()).toContain('Could not process rule');
  }
  allow(seconds(5));
  answer();
  expect(gate.problem()).toBeNull();
  gate.close();
});

test('after a refusal the rules are loaded anew and it opens for what is left, once', async () => {
  const { gate, clock, allow, answer, refuse, lines } = await makeNft();
  allow(seconds(5));
  clock.advance(seconds(1));
  refuse();
  refuse();
  expect(lines()).toHaveLength(4);
  expect(lines()[2]?.startsWith(`${gateRules([6443])}; `)).toBe(true);
  answer();
  expect(openFor(lines().at(-1))).toBe(4000 - 800 - 20);
  refuse();
  expect(lines()).toHaveLength(5);
  gate.shut();
  refuse();
  expect(lines().slice(5)).toEqual(Array(2).fill(`${gateRules([6443])}; ${SHUT}`));
  gate.close();
});

test('a ticket that is late is asked for once more, with a longer life', async () => {
  const { gate, allow, answer, late, lines } = await makeNft();
  allow(seconds(5));
  late();
  late();
  expect(lines().map(lifeOf).filter(Boolean)).toEqual([250, 1000]);
  answer();
  expect(openFor(lines().at(-1))).toBe(5000 - 1000 - 20);
  expect(gate.problem()).toBeNull();
  gate.close();
});

test('an answer in pieces is one, and that of an older ticket opens nothing', async () => {
  const { gate, allow, child, lines } = await makeNft();
  allow(seconds(5));
  const ticket = lastTicket(lines());
  child().options.onOutput?.(listing(ticket - 1));
  expect(lines().map(openFor)).not.toContain(4730);
  for (const piece of listing(lastTicket(lines()))) child().options.onOutput?.(piece);
  expect(openFor(lines().at(-1))).toBe(5000 - 1000 - 20);
  gate.close();
});

test('an answer that comes after the gate was shut opens nothing', async () => {
  const { gate, allow, answer, lines } = await makeNft();
  allow(seconds(5));
  gate.shut();
  answer();
  expect(lines().at(-1)).toBe(SHUT);
  gate.close();
});

test('a process that gives no answer is left alone for a second, then replaced', async () => {
  const { gate, clock, processes, allow, answer } = await makeNft();
  allow(seconds(5));
  clock.advance(milliseconds(900));
  allow(seconds(5));
  expect(processes.started.map(({ lines }) => lines.length)).toEqual([1]);
  clock.advance(milliseconds(100));
  allow(seconds(5));
  expect(processes.started.map(({ signals }) => signals)).toEqual([['SIGKILL'], []]);
  await turn();
  expect(gate.problem()).toMatch(/did not answer/);
  answer();
  allow(seconds(5));
  answer();
  expect(gate.problem()).toBeNull();
  gate.close();
});

test('a process that ended and was started again is no trouble any more', async () => {
  const { gate, processes, allow, answer } = await makeNft();
  allow(seconds(5));
  processes.started[0]?.end(1);
  await turn();
  expect(gate.problem()).toMatch(/ended/);
  for (let round = 0; round < 2; round += 1) {
    allow(seconds(5));
    answer();
  }
  expect(gate.problem()).toBeNull();
  gate.close();
});

/** An answer of the process that works, which need not be the one that was started last. */
const answerOf = (nft: FakeProcess): void =>
  nft.options.onOutput?.(listing(lastTicket(nft.lines.slice(-1))));

/** The process that works after a thousand renewals, and the one that was started beside it. */
const afterThousand = async () => {
  const rig = await makeNft();
  rig.allow(seconds(5));
  const old = rig.child();
  answerOf(old);
  const renew = (times = 1) => {
    for (let round = 0; round < times; round += 1) {
      rig.allow(seconds(5));
      answerOf(old);
    }
  };
  renew(998);
  expect(rig.processes.started).toHaveLength(1);
  renew();
  return { ...rig, renew, old, young: rig.child() };
};

test('after a thousand renewals a younger process that answers takes over', async () => {
  const { gate, processes, allow, answer, renew, old, young } = await afterThousand();
  expect([young === old, young.lines]).toEqual([false, ['list set inet baton ticket']]);
  // It has not answered yet: the old one goes on.
  renew();
  expect(openFor(old.lines.at(-1))).toBe(4730);
  allow(seconds(5));
  young.options.onOutput?.(listing(null));
  expect([old.signals, young.lines.length]).toEqual([[], 1]);
  answerOf(old);
  expect([lifeOf(old.lines.at(-1)), openFor(young.lines[1])]).toEqual([250, 4730]);
  expect(old.signals).toEqual(['SIGKILL']);
  await turn();
  allow(seconds(5));
  answer();
  gate.shut();
  expect(young.lines.slice(-2).map(openFor)).toEqual([4730, 0]);
  expect([processes.started.length, gate.problem()]).toEqual([2, null]);
  gate.close();
});

test('a gate that is shut while its process is due for replacement stays shut', async () => {
  const { gate, allow, old, young } = await afterThousand();
  young.options.onOutput?.(listing(null));
  allow(seconds(5));
  const asked = old.lines.slice(-1);
  gate.shut();
  expect(old.lines.at(-1)).toBe(SHUT);
  old.options.onOutput?.(listing(lastTicket(asked)));
  expect(young.lines.slice(1)).toEqual([SHUT]);
  expect([old.lines.at(-1), old.signals]).toEqual([SHUT, ['SIGKILL']]);
  gate.close();
});

test.each(['refuses', 'ends', 'hangs'] as const)(
  'a successor that %s is no trouble',
  async (how) => {
    const { gate, processes, child, renew, young } = await afterThousand();
    if (how === 'refuses') young.options.onErrors?.(NO_TABLE);
    if (how === 'ends') young.end(1);
    await turn();
    renew(1000);
    expect([processes.started.length, gate.problem()]).toEqual([3, null]);
    expect(young.signals).toEqual(how === 'ends' ? [] : ['SIGKILL']);
    gate.close();
    expect(child().signals).toEqual(['SIGKILL']);
  },
);

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
