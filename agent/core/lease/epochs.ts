/**
 * The number of the next epoch (L5, L12).
 *
 * Every majority of two or more voters shares a voter with the one before it, so one above the
 * highest known is new. A node that is its own majority asks nobody: after two forced promotions
 * (L12), one of each voter while the other was off, both would take the same number. There each
 * node keeps to the numbers that leave its own remainder, which makes the node the tie-breaker.
 */
import type { MemberList } from '../../../shared/protocol/lease-messages.ts';
import type { CoreConfig } from '../types.ts';
import { asked } from './member-list.ts';
import { eligibleNodes } from './roles.ts';

/** The lowest epoch above `highest` that `config.node` may take under the lists in force. */
export function nextEpoch(highest: number, list: MemberList, config: CoreConfig): number {
  const next = highest + 1;
  if (asked(list).some((node) => node !== config.node)) return next;
  const order = eligibleNodes(config);
  const place = Math.max(0, order.indexOf(config.node));
  const count = Math.max(1, order.length);
  return next + ((place - (next % count) + count) % count);
}
