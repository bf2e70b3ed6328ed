/**
 * The plan of writes never has two under way for one object, numbers them in order, and believes
 * what the server says about which objects exist.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type PlannedWrite, type WriteOutcome, WritePlan } from '../../lab/write-plan.ts';

const always = (value: number) => () => value;

test('an object is created first, then changed or deleted, then created again', () => {
  const plan = new WritePlan(1, always(0));
  const kinds: string[] = [];
  for (let count = 0; count < 4; count++) {
    const write = plan.next() as PlannedWrite;
    kinds.push(`${write.number} ${write.kind}`);
    plan.settle(write, 'done');
  }
  // A random source that always says 0 chooses to delete whatever can be deleted.
  expect(kinds).toEqual(['1 create', '2 delete', '3 create', '4 delete']);
});

test('a refusal tells what is there', () => {
  const plan = new WritePlan(1, always(0.9));
  const create = plan.next() as PlannedWrite;
  plan.settle(create, 'exists');
  const update = plan.next() as PlannedWrite;
  expect(update.kind).toBe('update');
  plan.settle(update, 'missing');
  expect(plan.next()?.kind).toBe('create');
});

test('an unknown outcome changes nothing', () => {
  const plan = new WritePlan(1, always(0.9));
  plan.settle(plan.next() as PlannedWrite, 'unknown');
  expect(plan.next()?.kind).toBe('create');
});

test('no two writes under way share an object, and every number is new', () => {
  const outcomes = fc.constantFrom<WriteOutcome>('done', 'exists', 'missing', 'unknown');
  const steps = fc.array(fc.tuple(fc.boolean(), outcomes, fc.nat(1000)), { maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 5 }), (given, keys) => {
      const plan = new WritePlan(keys, () => 0.5);
      const under: PlannedWrite[] = [];
      let number = 0;
      for (const [settle, outcome, place] of given) {
        if (settle && under.length > 0) {
          const [write] = under.splice(place % under.length, 1);
          plan.settle(write as PlannedWrite, outcome);
          continue;
        }
        const write = plan.next();
        if (write === null) {
          expect(under.length).toBe(keys);
          continue;
        }
        number += 1;
        expect(write.number).toBe(number);
        expect(under.map(({ key }) => key)).not.toContain(write.key);
        under.push(write);
      }
    }),
  );
});
