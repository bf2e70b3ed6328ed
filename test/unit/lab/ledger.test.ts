/** The ledger of acknowledged writes must notice every kind of loss, and cry wolf at none. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Ledger, type OperationKind } from '../../lab/ledger.ts';
import { ON_DISK_MS } from '../../lab/machines/case.ts';

/** Number, kind, key, and when it was acknowledged (null: no answer). */
type Step = [number, OperationKind, string, number | null];

const ledgerOf = (...steps: Step[]): Ledger => {
  const ledger = new Ledger();
  for (const [number, kind, key, ms] of steps) {
    ledger.begin(number, kind, key);
    if (ms !== null) ledger.acknowledge(number, key, { ms, node: 'a', revision: number });
  }
  return ledger;
};
const missing = (ledger: Ledger, ...state: [string, number][]) =>
  ledger.missing(new Map(state)).map((one) => one.number);

describe('what is missing', () => {
  test('nothing, when the server shows the last of each key', () => {
    const ledger = ledgerOf([1, 'create', 'x', 0], [2, 'update', 'x', 0], [3, 'create', 'y', 0]);
    expect(missing(ledger, ['x', 2], ['y', 3])).toEqual([]);
  });
  test('an update that went back', () => {
    const ledger = ledgerOf([1, 'create', 'x', 0], [2, 'update', 'x', 0]);
    expect(missing(ledger, ['x', 1])).toEqual([2]);
  });
  test('an object that is not there', () => {
    const ledger = ledgerOf([1, 'create', 'x', 0], [2, 'update', 'x', 0]);
    expect(missing(ledger)).toEqual([1, 2]);
  });
  test('a delete that came undone', () => {
    const ledger = ledgerOf([1, 'create', 'x', 0], [2, 'delete', 'x', 0]);
    expect(missing(ledger)).toEqual([]);
    expect(missing(ledger, ['x', 1])).toEqual([2]);
  });
  test('never what was not acknowledged', () => {
    const ledger = ledgerOf(
      [1, 'create', 'x', null],
      [2, 'create', 'y', 0],
      [3, 'update', 'y', null],
    );
    expect(missing(ledger, ['y', 2])).toEqual([]);
    expect(missing(ledger, ['x', 1], ['y', 3])).toEqual([]);
  });
  test('a delete without an answer may have happened', () => {
    const ledger = ledgerOf([1, 'create', 'x', 0], [2, 'delete', 'x', null]);
    expect(missing(ledger)).toEqual([]);
    expect(missing(ledger, ['x', 1])).toEqual([]);
  });
});

test('losses are told once, split by their age at the end of the server', () => {
  const ledger = ledgerOf(
    [1, 'create', 'x', 1000],
    [2, 'create', 'y', 1740],
    [3, 'create', 'z', 1760],
  );
  const { old, recent, atRiskMs } = ledger.newLosses(new Map(), 2000);
  expect(old.map((one) => one.number)).toEqual([1, 2]);
  expect(recent.map((one) => one.number)).toEqual([3]);
  expect(atRiskMs).toBe(1000);
  expect(ledger.newLosses(new Map(), 2000)).toMatchObject({ old: [], recent: [], atRiskMs: 0 });
});

describe('whose losses are excused', () => {
  /** Number, key, node, when. */
  const takenBy = (...steps: [number, string, string, number][]): Ledger => {
    const ledger = new Ledger();
    for (const [number, key, node, ms] of steps) {
      ledger.begin(number, 'create', key);
      ledger.acknowledge(number, key, { ms, node, revision: number });
    }
    return ledger;
  };
  const numbers = (all: readonly { number: number }[]) => all.map(({ number }) => number);

  test('what a cut-off server went on taking, and nothing of the next one', () => {
    const ledger = takenBy([1, 'x', 'a', 1900], [2, 'y', 'a', 4000], [3, 'z', 'b', 9000]);
    const { old, recent } = ledger.newLosses(new Map(), 2000);
    expect([numbers(old), numbers(recent)]).toEqual([[3], [1, 2]]);
  });

  test('nothing of the server before the last one, however young', () => {
    const ledger = takenBy([1, 'x', 'a', 1900], [2, 'y', 'b', 1990]);
    const { old, recent } = ledger.newLosses(new Map(), 2000);
    expect([numbers(old), numbers(recent)]).toEqual([[1], [2]]);
  });

  test('nothing at all without a fault, or before the first server', () => {
    const ledger = () => takenBy([1, 'x', 'a', 1900], [2, 'y', 'b', 9000]);
    const calm = ledger().newLosses(new Map(), Number.POSITIVE_INFINITY);
    expect(calm).toMatchObject({ recent: [], atRiskMs: Number.POSITIVE_INFINITY });
    expect(numbers(calm.old)).toEqual([1, 2]);
    expect(numbers(ledger().newLosses(new Map(), 1000).old)).toEqual([1, 2]);
  });

  test('nothing that the same node took once it served again', () => {
    const ledger = takenBy([1, 'x', 'a', 1900], [2, 'y', 'a', 2100], [3, 'z', 'a', 9000]);
    const { old, recent } = ledger.newLosses(new Map(), 2000, { againMs: 2500 });
    expect([numbers(old), numbers(recent)]).toEqual([[3], [1, 2]]);
  });

  test('RIG 34: what an earlier verdict excused, had a newer write not hidden it', () => {
    const ledger = takenBy([1, 'x', 'a', 1900], [2, 'y', 'a', 100], [3, 'x', 'b', 2900]);
    ledger.begin(4, 'update', 'y');
    ledger.acknowledge(4, 'y', { ms: 2950, node: 'b', revision: 4 });
    const hidden = new Map([
      ['x', 3],
      ['y', 4],
    ]);
    expect(ledger.newLosses(hidden, 2000)).toMatchObject({ old: [], recent: [] });
    const { old, recent } = ledger.newLosses(new Map(), 3000);
    expect([numbers(old), numbers(recent)]).toEqual([[2], [1, 3, 4]]);
  });

  test('an age, where another node took it, ends with what that node took last', () => {
    const ledger = takenBy([1, 'x', 'a', 100], [2, 'y', 'b', 5000], [3, 'z', 'b', 5800]);
    const shown = new Map([
      ['x', 1],
      ['z', 3],
    ]);
    expect(ledger.newLosses(shown, 100).atRiskMs).toBe(800);
  });

  test('of an empty cluster after a cut for all only what no disk had to hold', () => {
    const ledger = takenBy([1, 'x', 'a', 39_000], [2, 'y', 'a', 41_000], [3, 'z', 'a', 110_000]);
    const cutMs = 100_000;
    const excuse = { recentMs: ON_DISK_MS, againMs: cutMs };
    const { old, recent } = ledger.newLosses(new Map(), cutMs, excuse);
    expect([numbers(old), numbers(recent)]).toEqual([[1, 3], [2]]);
  });
});

test('a server cut back to any earlier moment has lost exactly what came after', () => {
  const kinds = fc.array(fc.tuple(fc.constantFrom('x', 'y'), fc.boolean()), { minLength: 1 });
  fc.assert(
    fc.property(kinds, fc.nat(), (wishes, cut) => {
      const ledger = new Ledger();
      const state = new Map<string, number>();
      const at = cut % (wishes.length + 1);
      for (const [number, [key, removes]] of wishes.entries()) {
        const known = ledger.operations().findLast((one) => one.key === key);
        const exists = known !== undefined && known.kind !== 'delete';
        const kind = exists ? (removes ? 'delete' : 'update') : 'create';
        ledger.begin(number, kind, key);
        ledger.acknowledge(number, key, { ms: number, node: 'a', revision: number });
        if (number < at && kind !== 'delete') state.set(key, number);
        if (number < at && kind === 'delete') state.delete(key);
      }
      const gone = ledger.missing(state).map((one) => one.number);
      const after = wishes.map((_, number) => number).filter((number) => number >= at);
      // Of a key that is absent, a delete at its end hides what came before it: nothing to see.
      for (const number of gone) expect(after).toContain(number);
      const newest = (key: string) => ledger.operations().findLast((one) => one.key === key);
      for (const key of ['x', 'y']) {
        const last = newest(key);
        if (last === undefined || last.number < at) continue;
        const same = last.kind === 'delete' && !state.has(key);
        expect(gone.includes(last.number)).toBe(!same);
      }
    }),
  );
});
