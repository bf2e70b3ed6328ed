/** The hunt for mutants: what counts as a catch. */
import { describe, expect, it } from 'vitest';
import { type Crew, hireCrew } from '../../sim/crew.ts';
import { hunt, isProven } from '../../sim/mutants/hunt.ts';
import { mutants } from '../../sim/mutants/table.ts';

describe('a catch', { timeout: 600_000 }, () => {
  const mutant = mutants.find(({ name }) => name === 'epoch-not-from-a-majority');
  if (mutant === undefined) throw new Error('the mutant has another name now');
  const caughtWith = async (shipped: Crew) => {
    const hunted = await hunt(mutant, { first: 1, most: 20, shipped });
    await shipped.close();
    expect(hunted.caught).not.toBeNull();
    return hunted;
  };

  it('counts when the shipped core keeps every rule in the same schedule', async () => {
    const hunted = await caughtWith(hireCrew(1));
    expect(hunted.falseAlarm).toBeNull();
    expect(isProven(hunted)).toBe(true);
  });

  it('is a false alarm when the shipped core breaks one there too', async () => {
    const hunted = await caughtWith(hireCrew(1, mutant.edits));
    expect(hunted.falseAlarm).toMatchObject({ seed: hunted.caught?.seed });
    expect(isProven(hunted)).toBe(false);
  });
});
