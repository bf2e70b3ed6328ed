/**
 * The timeline of the last change of master, for people: what happened, milliseconds after the
 * master was missed. A view of what the core says; nothing is decided from it.
 */

import type { Instant } from '../../shared/time/duration.ts';
import type { CoreView } from '../core/types.ts';

export interface TimelineEntry {
  readonly step: string;
  readonly at_ms: number;
}

export interface PromotionTimeline {
  /** After each turn of the loop. */
  saw(view: CoreView, now: Instant): void;
  /** After each step of a promotion. */
  step(name: string, ok: boolean, now: Instant): void;
  entries(): readonly TimelineEntry[];
}

/** One change has a dozen lines; a promotion that fails again and again is cut at the front. */
const MOST = 32;

export function promotionTimeline(): PromotionTimeline {
  let entries: TimelineEntry[] = [];
  let began: Instant | null = null;
  let master: string | null = null;
  let phase = '';

  const add = (step: string, now: Instant): void => {
    if (began !== null) entries = [...entries.slice(1 - MOST), { step, at_ms: now - began }];
  };
  const begin = (now: Instant): void => {
    began = now;
    entries = [];
  };

  return {
    saw(view, now) {
      if (view.master === master && view.phase === phase) return;
      const lost = master !== null && view.master !== master;
      if (lost || began === null) {
        begin(now);
        add(lost ? `${master} was missed` : 'start', now);
      }
      if (view.phase !== phase && view.phase !== 'following') add(view.phase, now);
      if (view.master !== null && view.master !== master) {
        add(`${view.master} holds epoch ${view.epoch}`, now);
      }
      master = view.master;
      phase = view.phase;
    },
    step: (name, ok, now) => add(ok ? name : `${name} failed`, now),
    entries: () => entries,
  };
}
