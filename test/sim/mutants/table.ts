/** Every deliberate error by name; see mutants.ts. */
import { shippedCore } from '../core-under-test.ts';
import { type Flaws, noFlaws } from '../flaws.ts';
import type { SimCore } from '../sim-core.ts';

export interface Mutant {
  readonly core: SimCore;
  readonly flaws: Flaws;
}

/** The core and the shell with this error; without a name the shipped ones. */
export function makeMutant(_name: string | null): Mutant {
  return { core: shippedCore, flaws: noFlaws };
}
