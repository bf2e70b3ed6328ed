/**
 * L1: ballots are (counter, node, start nonce), ordered in that order, and never reused.
 *
 * The nonce makes a ballot of an earlier life of the same node a different one, so that its late
 * answers count for nothing. Source: LEASE.md, L1.
 */
import type { Ballot } from '../../../shared/protocol/lease-messages.ts';

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Below 0 when `a` is the lower ballot, 0 when both are the same one, above 0 otherwise. */
export const compareBallots = (a: Ballot, b: Ballot): number =>
  a.counter - b.counter || order(a.node, b.node) || order(a.nonce, b.nonce);

/** L6 asks for the **exact** ballot: "at least as high" was a hole that made two masters. */
export const isSameBallot = (a: Ballot, b: Ballot): boolean => compareBallots(a, b) === 0;

/** The same, where either may be missing. */
export const areSameBallot = (a: Ballot | null, b: Ballot | null): boolean =>
  a !== null && b !== null && isSameBallot(a, b);
