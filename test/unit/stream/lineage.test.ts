/**
 * The lineage rules against a model: random histories of writes, partial streams, handovers,
 * promotions with a raise, power cuts and compactions. Whatever was decided, a receiver never
 * keeps a row that its master does not have, never loses one that both have, and a deleted
 * object never comes back.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LineageEntry } from '../../../agent/stream/api.ts';
import { revisionsBetween } from '../../../agent/stream/greeting.ts';
import {
  effectiveMark,
  fillerRevision,
  lineageUpTo,
  mustStartOver,
  planResume,
  positionOf,
} from '../../../agent/stream/lineage.ts';

/** Row id → who wrote it; two rows of one id and writer are the same row. */
interface Copy {
  lineage: LineageEntry[];
  log: Map<number, string>;
  mark: number;
}

const headOf = (copy: Copy): number => Math.max(0, ...copy.log.keys());

class Model {
  readonly copies: Copy[] = Array.from({ length: 3 }, () => ({
    lineage: [],
    log: new Map(),
    mark: 0,
  }));
  master = 0;
  epoch = 1;
  writes = 0;

  constructor() {
    this.#enter(this.copyOf(0), 1, 0, null);
    this.write(5);
  }

  copyOf(node: number): Copy {
    const copy = this.copies[node];
    if (copy === undefined) throw new TypeError('no such node');
    return copy;
  }

  #enter(copy: Copy, firstRevision: number, lastTakenOver: number, markBefore: number | null) {
    copy.lineage = [
      ...copy.lineage,
      { epoch: this.epoch, firstRevision, lastTakenOver, markBefore },
    ];
  }

  write(count: number): void {
    const copy = this.copyOf(this.master);
    for (let each = 0; each < count; each++) {
      const entry = copy.lineage.at(-1);
      const next = Math.max(headOf(copy) + 1, entry?.firstRevision ?? 1);
      copy.log.set(next, `epoch ${this.epoch}, write ${this.writes++}`);
    }
  }

  promote(node: number, raise: boolean): void {
    this.epoch++;
    this.master = node;
    const copy = this.copyOf(node);
    const last = headOf(copy);
    if (!raise) return this.#enter(copy, last + 1, last, null);
    const filler = fillerRevision(last, this.epoch);
    this.#enter(copy, filler, last, copy.mark);
    copy.log.set(filler, `filler ${this.epoch}`);
    copy.mark = filler - 1;
  }

  /** The unsynced end of the master's log is gone; its next start is raised, as it must be. */
  powerCut(rows: number): void {
    const copy = this.copyOf(this.master);
    const began = copy.lineage.at(-1)?.firstRevision ?? 1;
    const lost = [...copy.log.keys()].filter((id) => id > began).slice(-rows);
    for (const id of lost) copy.log.delete(id);
    this.promote(this.master, true);
  }

  compact(back: number): void {
    const copy = this.copyOf(this.master);
    const ids = [...copy.log.keys()];
    copy.mark = Math.max(copy.mark, ids.at(-1 - back) ?? 0);
  }

  /** One greeting after the other until rows flow; then at most `rows` of them. */
  stream(node: number, rows: number): void {
    if (node === this.master) return;
    const master = this.copyOf(this.master);
    const receiver = this.copyOf(node);
    const theirs = {
      lineage: master.lineage,
      head: headOf(master),
      mark: effectiveMark(master.lineage, master.mark),
    };
    for (let greeting = 0; ; greeting++) {
      expect(greeting, 'greetings come to an end').toBeLessThan(3);
      const head = headOf(receiver);
      const mark = effectiveMark(receiver.lineage, receiver.mark);
      const plan = planResume(theirs, { lineage: receiver.lineage, head, mark });
      const common = [...receiver.log].filter(([id, row]) => master.log.get(id) === row);
      const last = Math.max(0, ...common.map(([id]) => id));
      if (plan.kind === 'cut') {
        expect(plan.keep, 'as far as both are the same').toBe(last);
        for (const id of [...receiver.log.keys()]) if (id > plan.keep) receiver.log.delete(id);
        receiver.lineage = [...lineageUpTo(receiver.lineage, plan.keep)];
        receiver.mark = Math.min(receiver.mark, mark);
        continue;
      }
      if (plan.kind === 'copy') {
        // Rows that only this node has are saved first.
        if (last < head) expect(plan.saveFrom).toBeLessThanOrEqual(last);
        receiver.log = new Map(master.log);
        receiver.lineage = [...master.lineage];
        receiver.mark = master.mark;
        return;
      }
      expect(last, 'resumed only where everything is common').toBe(head);
      expect(mustStartOver(theirs.mark, head, 0)).toBe(false);
      break;
    }
    receiver.lineage = [...master.lineage];
    const missing = [...master.log].filter(([id]) => id > headOf(receiver)).slice(0, rows);
    for (const [id, row] of missing) receiver.log.set(id, row);
    if (headOf(receiver) >= master.mark) receiver.mark = Math.max(receiver.mark, master.mark);
  }

  handOver(node: number): void {
    if (node === this.master) return;
    this.stream(node, Number.MAX_SAFE_INTEGER);
    this.promote(node, false);
  }
}

type Action = (model: Model) => void;
const someone = fc.nat(2);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.nat(6).map((count) => (model: Model) => model.write(count)),
  fc.tuple(someone, fc.nat(9)).map(
    ([node, rows]) =>
      (model: Model) =>
        model.stream(node, rows),
  ),
  someone.map((node) => (model: Model) => model.handOver(node)),
  someone.map((node) => (model: Model) => {
    if (headOf(model.copyOf(node)) > 0) model.promote(node, true);
  }),
  fc.nat(4).map((rows) => (model: Model) => model.powerCut(rows)),
  fc.nat(6).map((back) => (model: Model) => model.compact(back)),
);

test('no history makes a receiver keep a foreign row or lose a common one', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const model = new Model();
      for (const act of actions) act(model);
      for (const node of [0, 1, 2]) {
        model.stream(node, Number.MAX_SAFE_INTEGER);
        const ours = [...model.copyOf(node).log];
        expect(ours.sort()).toEqual([...model.copyOf(model.master).log].sort());
      }
    }),
    { numRuns: 2000 },
  );
});

test('a table that a promoted receiver had before its rows does not vouch for them', () => {
  const model = new Model();
  model.stream(1, 0);
  model.write(1);
  model.handOver(2);
  // It hears of the handover after revision 6, and is promoted without having got that one.
  model.stream(1, 0);
  model.promote(1, true);
  model.stream(0, 9);
  expect([...model.copyOf(0).log.keys()]).not.toContain(6);
});

test('forks from one point never share a number', () => {
  fc.assert(
    fc.property(fc.nat(9_000_000_000), fc.integer({ min: 1, max: 900 }), (last, epoch) => {
      const [one, other] = [fillerRevision(last, epoch), fillerRevision(last, epoch + 1)];
      expect(one).toBeGreaterThan(last);
      // A million rows later the first line still has not reached the second's.
      if (last < epoch * 9_000_000_000) expect(other - one).toBeGreaterThan(1_000_000);
      expect(Number.isSafeInteger(other)).toBe(true);
    }),
  );
});

test('an epoch whose revisions would not be exact numbers is refused', () => {
  expect(Number.isSafeInteger(fillerRevision(0, 900_719) + 1)).toBe(true);
  expect(() => fillerRevision(0, 900_720)).toThrow('no revisions left');
  expect(() => fillerRevision(Number.MAX_SAFE_INTEGER - 1_000_000, 1)).toThrow('no revisions left');
});

test('positions name the epoch of the last row, not the highest one heard of', () => {
  const lineage = [
    { epoch: 1, firstRevision: 1, lastTakenOver: 0, markBefore: null },
    { epoch: 4, firstRevision: 40_000_000_000, lastTakenOver: 90, markBefore: 50 },
  ];
  expect(positionOf(lineage, 0)).toEqual({ lineageEpoch: 0, revision: 0 });
  expect(positionOf(lineage, 90)).toEqual({ lineageEpoch: 1, revision: 90 });
  expect(positionOf(lineage, 40_000_000_000).lineageEpoch).toBe(4);
  expect(effectiveMark(lineage, 39_999_999_999), 'raised, nothing removed').toBe(50);
  expect(effectiveMark(lineage, 40_000_000_020), 'compacted since').toBe(40_000_000_020);
  expect(revisionsBetween(lineage, 80, 40_000_000_002), 'the gap is no revision').toBe(13);
});
