/**
 * The two lease records as text: what a restart of the process, or of the machine, finds again.
 *
 * Form: one line, `{"checksum":"1c291ca3","record":{"version":1, …}}`. The checksum is CRC-32
 * (IEEE 802.3) of the record's own text in UTF-8. A torn or altered file does not pass for a
 * record, also where what is left would still be JSON of the right shape; an absent file is the
 * caller's to tell (agent/actions/record-store.ts). It guards against accidents, not against
 * somebody who can write to the file.
 *
 * A record that does not validate is worth nothing: the node learns again before it votes (L9),
 * or is silent for one maximum lease (L2). Source: LEASE.md "State".
 */
import * as read from './record-fields.ts';
import type { AcceptedSlot, Handover, Held, LastRevision, RunState } from './state.ts';
import type { DiskRecord, RunRecord, Step } from './types.ts';

const VERSION = 1;
/** Far above a record of 32 nodes with the longest names, characters. */
const LONGEST = 64 * 1024;

const step = read.oneOf<Step>(
  'stop_agent_unit',
  'install_datastore',
  'install_archive',
  'start_server',
  'check_ready',
  'stop_server',
  'send_last_revisions',
  'start_agent_unit',
);

const handover = read.fields<Handover>({
  to: read.nullable(read.nodeName),
  reply: read.nullable(read.word),
  why: read.oneOf('move', 'shutdown'),
});

const held = read.fields<Held>({
  ballot: read.ballot,
  epoch: read.counter,
  deadline: read.bootInstant,
  nonces: read.byNode(read.nonce),
  stage: read.oneOf('promoting', 'serving', 'restarting', 'handing_over', 'giving_back'),
  step: read.nullable(step),
  raise: read.flag,
  previous_master: read.nullable(read.nodeName),
  first_revision: read.counter,
  restarts: read.counter,
  last_exit: read.bootInstant,
  handover: read.nullable(handover),
});

const accepted = read.fields<AcceptedSlot>({
  ballot: read.ballot,
  owner: read.nodeName,
  epoch: read.counter,
  until: read.bootInstant,
});

const lastRevision = read.fields<LastRevision>({
  epoch: read.counter,
  revision: read.counter,
});

type LaterRunFields = 'yield_known' | 'lapses' | 'last_lapse';

const oldRunState = read.fields<Omit<RunState, LaterRunFields>>({
  silent_until: read.bootInstant,
  promised: read.nullable(read.ballot),
  accepted: read.nullable(accepted),
  counter: read.counter,
  round: read.counter,
  held: read.nullable(held),
  cold_until: read.bootInstant,
  yield_until: read.bootInstant,
  yield_epoch: read.counter,
  handed: read.nullable(lastRevision),
  sit_out_until: read.bootInstant,
  left: read.flag,
});

const oldDiskRecord = read.fields<Omit<DiskRecord, 'served' | 'longest_lease_ms'>>({
  version: read.oneOf(VERSION),
  highest_epoch: read.counter,
  epoch_owner: read.nullable(read.nodeName),
  list: read.memberList,
  newest_wall_ms: read.finite,
});

/** `fields` came later: what an agent without them wrote is whole. */
const withLater =
  <Whole, Old>(old: read.Reader<Old>, fields: Readonly<Record<string, read.Reader<unknown>>>) =>
  (value: unknown): Whole | undefined => {
    const record = old(value);
    if (record === undefined || !read.isPlain(value)) return undefined;
    const later: Record<string, unknown> = {};
    for (const [name, reader] of Object.entries(fields)) {
      if (!Object.hasOwn(value, name)) continue;
      later[name] = reader(value[name]);
      if (later[name] === undefined) return undefined;
    }
    return { ...record, ...later } as Whole;
  };

// start.ts puts in what a record of /run lacks.
const runState = withLater<RunState, Omit<RunState, LaterRunFields>>(oldRunState, {
  yield_known: read.counter,
  lapses: read.counter,
  last_lapse: read.bootInstant,
});

const diskRecord = withLater<DiskRecord, Omit<DiskRecord, 'served' | 'longest_lease_ms'>>(
  oldDiskRecord,
  { served: read.flag, longest_lease_ms: read.counter },
);

const runRecord = read.fields<RunRecord>({
  version: read.oneOf(VERSION),
  boot_id: read.word,
  nonce: read.nonce,
  // The shell sees plain JSON; the core finds its own state in it (start.ts).
  state: runState as unknown as read.Reader<RunRecord['state']>,
});

/** The file's whole text, with its line end. `record` must be JSON-safe. */
export function encodeRecord(record: DiskRecord | RunRecord): string {
  const text = JSON.stringify(record);
  return `{"checksum":"${checksumOf(text)}","record":${text}}\n`;
}

/** Null when `text` is not a whole, unaltered record of this version. Never throws. */
export const parseDiskRecord = (text: string): DiskRecord | null => parse(text, diskRecord);
export const parseRunRecord = (text: string): RunRecord | null => parse(text, runRecord);

const form = /^\{"checksum":"([0-9a-f]{8})","record":(\{.*\})\}\n$/;

function parse<Value>(text: string, reader: read.Reader<Value>): Value | null {
  const [, checksum, record] = text.length <= LONGEST ? (form.exec(text) ?? []) : [];
  if (checksum === undefined || record === undefined) return null;
  if (checksumOf(record) !== checksum) return null;
  try {
    return reader(JSON.parse(record)) ?? null;
  } catch {
    return null;
  }
}

/** CRC-32 a nibble at a time: 16 words of table are enough for a kilobyte. */
const nibbles = Uint32Array.from({ length: 16 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 4; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xed_b8_83_20 : crc >>> 1;
  return crc >>> 0;
});

const encoder = new TextEncoder();

function checksumOf(text: string): string {
  let crc = 0xff_ff_ff_ff;
  for (const byte of encoder.encode(text)) {
    crc = (crc >>> 4) ^ (nibbles[(crc ^ byte) & 15] ?? 0);
    crc = (crc >>> 4) ^ (nibbles[(crc ^ (byte >>> 4)) & 15] ?? 0);
  }
  return ((crc ^ 0xff_ff_ff_ff) >>> 0).toString(16).padStart(8, '0');
}
