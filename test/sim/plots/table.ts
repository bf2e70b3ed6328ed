/**
 * Schedules aimed at one place each: the shortest schedule in which a broken rule shows, worked out
 * by hand, with its moments drawn at random around it.
 *
 * A blind generator meets some of these once in millions of schedules: a message of one kind has to
 * be under way while two other things happen in turn. No judge knows that a schedule is aimed.
 */
import type { SeededRandom } from '../random.ts';
import { oldAnswers, oldBallot, oldEpoch, stoppedAsker } from './ballots.ts';
import { overloadedAlone } from './loads.ts';
import { fullAtTheWaitsEnd, twoLists } from './pairs.ts';
import type { Plot } from './plot.ts';
import {
  endsUnheard,
  lateWord,
  manyLeave,
  missedEpoch,
  missedTenure,
  ownerAway,
  stoppedAndSet,
  wipedBetween,
} from './records.ts';

export const plots = {
  'old-ballot': oldBallot,
  'stopped-asker': stoppedAsker,
  'old-epoch': oldEpoch,
  'old-answers': oldAnswers,
  'wiped-between': wipedBetween,
  'many-leave': manyLeave,
  'missed-epoch': missedEpoch,
  'missed-tenure': missedTenure,
  'owner-away': ownerAway,
  'stopped-and-set': stoppedAndSet,
  'ends-unheard': endsUnheard,
  'late-word': lateWord,
  'two-lists': twoLists,
  'full-at-the-waits-end': fullAtTheWaitsEnd,
  'overloaded-alone': overloadedAlone,
} as const satisfies Readonly<Record<string, (random: SeededRandom) => Plot>>;

export type PlotName = keyof typeof plots;
export const plotNames = Object.keys(plots) as readonly PlotName[];
