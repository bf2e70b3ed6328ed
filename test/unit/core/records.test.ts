/** The lease records as text: every record comes back, nothing else passes for one. */
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRecord, parseDiskRecord, parseRunRecord } from '../../../agent/core/records.ts';
import type { RunState } from '../../../agent/core/state.ts';
import type { DiskRecord, RunRecord } from '../../../agent/core/types.ts';
import type { Ballot, MemberList } from '../../../shared/protocol/lease-messages.ts';
import { type Instant, instant } from '../../../shared/time/duration.ts';
import { CoreCluster } from '../../golden/core-cluster.ts';

const counter = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const nonce = fc.stringMatching(/^[0-9a-f]{16}$/);
const names = fc.uniqueArray(name, { maxLength: 32 });
const word = fc.stringMatching(/^[\x21-\x7e]{1,40}$/);
const point: fc.Arbitrary<Instant> = fc
  .double({ min: 0, max: 1e12, noNaN: true })
  .map((value) => instant(value || 0));
const ballot: fc.Arbitrary<Ballot> = fc.record({ counter, node: name, nonce });
const list: fc.Arbitrary<MemberList> = fc.record({
  epoch: counter,
  number: counter,
  members: names,
  previous: names,
  committed: fc.boolean(),
});

// Without the last two it is a record of an earlier version.
const disk: fc.Arbitrary<DiskRecord> = fc.record(
  {
    version: fc.constant(1 as const),
    highest_epoch: counter,
    epoch_owner: fc.option(name),
    list,
    newest_wall_ms: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value || 0),
    served: fc.boolean(),
    longest_lease_ms: counter,
  },
  { requiredKeys: ['version', 'highest_epoch', 'epoch_owner', 'list', 'newest_wall_ms'] },
);

const runState: fc.Arbitrary<RunState> = fc.record({
  silent_until: point,
  promised: fc.option(ballot),
  accepted: fc.option(fc.record({ ballot, owner: name, epoch: counter, until: point })),
  counter,
  round: counter,
  held: fc.option(
    fc.record({
      ballot,
      epoch: counter,
      deadline: point,
      nonces: fc
        .uniqueArray(fc.tuple(name, nonce), { maxLength: 7, selector: ([key]) => key })
        .map((entries) => Object.fromEntries(entries)),
      stage: fc.constantFrom('promoting', 'serving', 'restarting', 'handing_over', 'giving_back'),
      step: fc.option(fc.constantFrom('start_server', 'install_datastore', 'check_ready')),
      raise: fc.boolean(),
      previous_master: fc.option(name),
      first_revision: counter,
      restarts: counter,
      last_exit: point,
      handover: fc.option(
        fc.record({
          to: fc.option(name),
          reply: fc.option(word),
          why: fc.constantFrom('move', 'shutdown'),
        }),
      ),
    }),
  ),
  cold_until: point,
  yield_until: point,
  yield_epoch: fc.nat(),
  yield_known: fc.nat(),
  handed: fc.option(fc.record({ epoch: counter, revision: counter })),
  sit_out_until: point,
  lapses: counter,
  last_lapse: point,
  left: fc.boolean(),
});

const run: fc.Arbitrary<RunRecord> = fc.record({
  version: fc.constant(1 as const),
  boot_id: fc.uuid(),
  nonce,
  state: runState as unknown as fc.Arbitrary<RunRecord['state']>,
});

/** The file that some other text would make, checksum and all. */
const sealed = (json: string): string => {
  const checksum = crc32(json).toString(16).padStart(8, '0');
  return `{"checksum":"${checksum}","record":${json}}\n`;
};
const altered = (record: object, path: readonly string[], value: unknown): string => {
  const copy = structuredClone(record) as Record<string, unknown>;
  const inner = path.slice(0, -1).reduce((at, key) => at[key] as Record<string, unknown>, copy);
  const last = path.at(-1) ?? '';
  if (value === undefined) delete inner[last];
  else inner[last] = value;
  return sealed(JSON.stringify(copy));
};

const aDisk: DiskRecord = {
  version: 1,
  highest_epoch: 4,
  epoch_owner: 'pi1',
  list: { epoch: 4, number: 2, members: ['pi1', 'pi2'], previous: ['pi1'], committed: true },
  newest_wall_ms: 1_763_700_000_000,
};

const aRun: RunRecord = {
  version: 1,
  boot_id: '2f1c4c5e-52d2-4f8e-9d53-6f3f6b1c7a10',
  nonce: '0123456789abcdef',
  state: {
    silent_until: 0,
    promised: { counter: 3, node: 'pi1', nonce: '0123456789abcdef' },
    accepted: null,
    counter: 3,
    round: 9,
    held: {
      ballot: { counter: 3, node: 'pi1', nonce: '0123456789abcdef' },
      epoch: 4,
      deadline: 12_345.6,
      nonces: { pi1: '0123456789abcdef', constructor: 'fedcba9876543210' },
      stage: 'serving',
      step: null,
      raise: false,
      previous_master: 'pi2',
      first_revision: 40,
      restarts: 0,
      last_exit: 0,
      handover: { to: 'pi2', reply: 'c-1', why: 'move' },
    },
    cold_until: 0,
    yield_until: 0,
    yield_epoch: 0,
    yield_known: 0,
    handed: null,
    sit_out_until: 0,
    lapses: 0,
    last_lapse: 0,
    left: false,
  },
};

test('every record comes back as it was written', () => {
  fc.assert(
    fc.property(disk, (record) => {
      expect(parseDiskRecord(encodeRecord(record))).toEqual(record);
    }),
  );
  fc.assert(
    fc.property(run, (record) => {
      expect(parseRunRecord(encodeRecord(record))).toEqual(record);
    }),
  );
});

test('every record that the core asks to write comes back', () => {
  // The rig's start nonce is the name and a digit; these make it one of 16 hexadecimal characters.
  const nodes = ['a', 'b', 'c'].map((letter) => letter.repeat(15));
  const cluster = new CoreCluster(Object.fromEntries(nodes.map((node) => [node, {}])));
  cluster.boot(...nodes);
  let seen = 0;
  for (let second = 0; second < 60; second += 1) {
    cluster.run(1000);
    for (const machine of cluster.machines.values()) {
      if (machine.disk !== null) {
        expect(parseDiskRecord(encodeRecord(machine.disk))).toEqual(machine.disk);
      }
      if (machine.run === null) continue;
      expect(parseRunRecord(encodeRecord(machine.run))).toEqual(machine.run);
      if (machine.run.state.held !== null) seen += 1;
    }
  }
  expect(seen).toBeGreaterThan(0);
});

test('the checksum is the CRC-32 that everybody knows', () => {
  expect(encodeRecord(aDisk)).toBe(sealed(JSON.stringify(aDisk)));
  expect(encodeRecord(aRun)).toBe(sealed(JSON.stringify(aRun)));
});

test('a file cut anywhere is no record', () => {
  for (const [text, parse] of [
    [encodeRecord(aDisk), parseDiskRecord],
    [encodeRecord(aRun), parseRunRecord],
  ] as const) {
    expect(parse(text)).not.toBeNull();
    for (let length = 0; length < text.length; length += 1) {
      expect(parse(text.slice(0, length))).toBeNull();
      expect(parse(text.slice(0, length).padEnd(text.length, '\0'))).toBeNull();
    }
  }
});

const files = [
  ['disk', encodeRecord(aDisk), parseDiskRecord],
  ['run', encodeRecord(aRun), parseRunRecord],
] as const;

test.each(files)('a %s file with any one bit turned is no record', (_name, text, parse) => {
  const bytes = Buffer.from(text);
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const copy = Buffer.from(bytes);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(parse(copy.toString('utf8'))).toBeNull();
  }
});

test.each(files)('a torn %s file is no record', (_name, text, parse) => {
  const bytes = Buffer.from(text.trimEnd());
  for (let end = 0; end < bytes.length; end += 1) {
    const torn = Buffer.from(text);
    expect(parse(bytes.subarray(0, end).toString('utf8'))).toBeNull();
    // The rest of its blocks was never written.
    expect(parse(torn.fill(0, end).toString('utf8'))).toBeNull();
  }
});

test('random text and random JSON are no records and never throw', () => {
  const anything = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 400 }),
    fc.json(),
    fc.json().map(sealed),
    fc.json().map((json) => sealed(`{"version":1,"state":${json}}`)),
  );
  fc.assert(
    fc.property(anything, (text) => {
      expect(parseDiskRecord(text)).toBeNull();
      expect(parseRunRecord(text)).toBeNull();
    }),
  );
});

test('one record does not pass for the other', () => {
  expect(parseDiskRecord(encodeRecord(aRun))).toBeNull();
  expect(parseRunRecord(encodeRecord(aDisk))).toBeNull();
});

test('each field is held to its type and bounds, also with a right checksum', () => {
  const wrong: readonly (readonly [readonly string[], unknown])[] = [
    [['version'], 2],
    [['highest_epoch'], -1],
    [['highest_epoch'], 1.5],
    [['highest_epoch'], '4'],
    [['epoch_owner'], undefined],
    [['epoch_owner'], 'No Name'],
    [['epoch_owner'], 'x'.repeat(64)],
    [['list'], null],
    [
      ['list', 'members'],
      ['pi1', 'pi1'],
    ],
    [['list', 'members'], Array.from({ length: 33 }, (_, at) => `n${at}`)],
    [['list', 'committed'], 1],
    [['newest_wall_ms'], null],
    [['served'], 'yes'],
  ];
  for (const [path, value] of wrong) {
    expect(parseDiskRecord(altered(aDisk, path, value)), path.join('.')).toBeNull();
  }
  const wrongRun: readonly (readonly [readonly string[], unknown])[] = [
    [['boot_id'], ''],
    [['nonce'], '0123'],
    [['state'], []],
    [['state', 'silent_until'], -1],
    [['state', 'promised'], {}],
    [['state', 'left'], undefined],
    [['state', 'held', 'stage'], 'dancing'],
    [['state', 'held', 'step'], 'stop'],
    [['state', 'held', 'nonces'], ['0123456789abcdef']],
    [['state', 'held', 'nonces', 'pi1'], 7],
    [['state', 'held', 'handover', 'why'], 'whim'],
  ];
  for (const [path, value] of wrongRun) {
    expect(parseRunRecord(altered(aRun, path, value)), path.join('.')).toBeNull();
  }
});

test('what an agent of an earlier version left in /run keeps its role', () => {
  for (const field of ['yield_known', 'lapses', 'last_lapse']) {
    const old = parseRunRecord(altered(aRun, ['state', field], undefined));
    const { [field]: later, ...state } = aRun.state as Record<string, unknown>;
    expect(old).toEqual({ ...aRun, state });
    expect(later).toBe(0);
    expect(parseRunRecord(altered(aRun, ['state', field], -1))).toBeNull();
  }
});

test('keys of a later version are dropped, whatever their name', () => {
  expect(parseDiskRecord(altered(aDisk, ['colour'], 'green'))).toEqual(aDisk);
  expect(parseRunRecord(altered(aRun, ['state', 'mood'], { __proto__: 1 }))).toEqual(aRun);
});

test('a record of unbounded length is not even looked at', () => {
  expect(parseDiskRecord(altered(aDisk, ['padding'], 'x'.repeat(70_000)))).toBeNull();
});
