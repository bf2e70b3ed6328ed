/** All mutants; see edits.ts for what one is. */
import { boundMutants } from './bound-mutants.ts';
import type { Mutant } from './edits.ts';
import { leaseMutants } from './lease-mutants.ts';
import { otherMutants } from './other-mutants.ts';

export const mutants: readonly Mutant[] = [...leaseMutants, ...otherMutants, ...boundMutants];
