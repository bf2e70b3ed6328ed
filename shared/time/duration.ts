/**
 * Time as types: a `Duration` and an `Instant` are numbers of milliseconds that a bare number
 * cannot satisfy, so a unit is never guessed.
 *
 * An `Instant` is a point on this machine's **boot clock** (it counts while the machine sleeps,
 * restarts at 0 with the kernel, and never steps). It means nothing on another machine: on the
 * wire only durations travel. Wall-clock time is `WallTime`, used for people and certificates,
 * never for a decision about the lease.
 *
 * Source: DESIGN section 2 (PaxosLease needs bounded drift, no agreement of clocks).
 */

declare const durationBrand: unique symbol;
declare const instantBrand: unique symbol;
declare const wallBrand: unique symbol;

/** A length of time in milliseconds. */
export type Duration = number & { readonly [durationBrand]: true };
/** A point on the local boot clock, in milliseconds since this machine booted. */
export type Instant = number & { readonly [instantBrand]: true };
/** Milliseconds since 1970-01-01T00:00:00Z on the (possibly wrong) wall clock. */
export type WallTime = number & { readonly [wallBrand]: true };

export const milliseconds = (value: number): Duration => value as Duration;
export const seconds = (value: number): Duration => (value * 1000) as Duration;
export const minutes = (value: number): Duration => (value * 60_000) as Duration;
export const instant = (bootMilliseconds: number): Instant => bootMilliseconds as Instant;
export const wallTime = (epochMilliseconds: number): WallTime => epochMilliseconds as WallTime;

/** The instant `duration` after `start`. */
export const after = (start: Instant, duration: Duration): Instant => (start + duration) as Instant;
/** Time from `earlier` to `later`; negative when they are the other way round. */
export const between = (earlier: Instant, later: Instant): Duration =>
  (later - earlier) as Duration;
/** What is left until `deadline`, never below zero. */
export const left = (now: Instant, deadline: Instant): Duration =>
  Math.max(0, deadline - now) as Duration;
/** `duration` scaled by a plain factor, for example a drift bound. */
export const scaled = (duration: Duration, factor: number): Duration =>
  (duration * factor) as Duration;
