/**
 * The parts of one running agent, as the wiring hands them around.
 */

import type { Instant } from '../../shared/time/duration.ts';
import type { Follow } from '../actions/follow.ts';
import type { PromotionTimeline } from '../actions/promotion-timeline.ts';
import type { CoreView } from '../core/types.ts';
import type { Carriers } from './carriers.ts';
import type { Machine } from './machine.ts';
import type { Place } from './place.ts';
import type { StreamParts } from './stream.ts';

export interface Parts {
  readonly place: Place;
  readonly machine: Machine;
  readonly stream: StreamParts;
  readonly carriers: Carriers;
  readonly follow: Follow;
  readonly timeline: PromotionTimeline;
  /** What people see of the core's state, as of `at`; of now without one. */
  readonly view: (at?: Instant) => CoreView;
}
