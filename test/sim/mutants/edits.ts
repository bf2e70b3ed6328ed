/**
 * How a deliberate error is made: a piece of source text is replaced while the module is loaded, in
 * one thread, on no disk. What runs otherwise is the shipped code.
 *
 * A mutant whose text is no longer there, or there twice, is an error of the table: the code has
 * moved on, and the mutant must follow.
 */
import { registerHooks } from 'node:module';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import type { PlanWishes } from '../plan-maker.ts';

export interface Edit {
  /** Path from the root of the project. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  readonly name: string;
  /** The rule of LEASE.md, or the part of the design, that it breaks. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  /** Where the error shows soonest; null for the usual mix of schedules. */
  readonly wishes?: Partial<PlanWishes>;
}

/** Mutants that show soonest in the same kind of schedule. */
export const on = (
  wishes: Partial<PlanWishes>,
  mutants: readonly Omit<Mutant, 'wishes'>[],
): readonly Mutant[] => mutants.map((mutant) => ({ ...mutant, wishes }));

/** Throws when the text is not there exactly once. */
export function applyEdit(edit: Edit, source: string): string {
  const parts = source.split(edit.find);
  if (parts.length !== 2) {
    throw new BatonError(
      'invariant-broken',
      'invariant',
      `a mutant looks for a text that ${edit.file} holds ${parts.length - 1} times - it must be ` +
        `there once - bring the table in test/sim/mutants up to date: ${edit.find}`,
    );
  }
  return parts.join(edit.replace);
}

/** From now on this thread loads the edited modules; those that it has loaded before stay. */
export function loadWith(edits: readonly Edit[]): void {
  if (edits.length === 0) return;
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const mine = edits.filter((edit) => url.endsWith(`/${edit.file}`));
      if (mine.length === 0) return loaded;
      let source = String(loaded.source);
      for (const edit of mine) source = applyEdit(edit, source);
      return { ...loaded, source };
    },
  });
}
