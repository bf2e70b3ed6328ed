/**
 * Deliberate errors in the modelled shell and fences, all switched off: mutants (mutants/) switch
 * one on by editing this file's text. They prove that the checkers outside the lease core have
 * teeth.
 */
export const noFlaws = {
  /** The gate does not compare the boot id, and /run outlives a reboot. */
  gateIgnoresBoot: false,
  /** The data-path gate never shuts. */
  gateNeverShuts: false,
  /** The dead man's switch compares the wall clock. */
  deadmanTrustsWall: false,
  /** The dead man's switch looks and does nothing. */
  deadmanNeverKills: false,
  /** The order to fence is forgotten. */
  fenceForgotten: false,
  /** The server starts without asking the gate. */
  startIgnoresGate: false,
  /** Synced writes happen after the answer: a power cut takes the last one back. */
  diskWrittenLate: false,
  /** The record of epochs is kept in memory only: a power cut takes it back to the first one. */
  diskNotWritten: false,
  /** /run is never written. */
  runNotWritten: false,
  /** A write that failed is taken for done. */
  failedWriteIgnored: false,
  /** The last revisions are reported as sent although they were not. */
  lastRevisionsNotSent: false,
};

export type Flaws = Readonly<typeof noFlaws>;
