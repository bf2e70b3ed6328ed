/**
 * Deliberate errors in the modelled shell and fences: what the judges must catch.
 *
 * They prove that the checkers outside the lease core have teeth (test/unit/sim). Errors inside the
 * core are made by wrapping `SimCore`. A schedule without flaws uses `noFlaws`.
 */
export interface Flaws {
  /** The gate does not compare the boot id, and /run outlives a reboot. */
  readonly gateIgnoresBoot: boolean;
  /** The data-path gate never shuts. */
  readonly gateNeverShuts: boolean;
  /** The dead man's switch compares the wall clock. */
  readonly deadmanTrustsWall: boolean;
  /** The order to fence is forgotten. */
  readonly fenceForgotten: boolean;
  /** The server starts without asking the gate. */
  readonly startIgnoresGate: boolean;
  /** `install_datastore` leaves out the raise. */
  readonly raiseLeftOut: boolean;
  /** Synced writes happen after the answer: a power cut takes the last one back. */
  readonly diskWrittenLate: boolean;
  /** /run is never written. */
  readonly runNotWritten: boolean;
  /** The last revisions are reported as sent although they were not. */
  readonly lastRevisionsNotSent: boolean;
}

export const noFlaws: Flaws = {
  gateIgnoresBoot: false,
  gateNeverShuts: false,
  deadmanTrustsWall: false,
  fenceForgotten: false,
  startIgnoresGate: false,
  raiseLeftOut: false,
  diskWrittenLate: false,
  runNotWritten: false,
  lastRevisionsNotSent: false,
};
