/**
 * What observer, probes and writer need of a node, whatever it is made of: processes on loopback or
 * a machine. Paths are absolute and ours to read.
 */
export interface WatchedNode {
  readonly name: string;
  /** Whether it has power. */
  readonly on: boolean;
  readonly place: WatchedPlace;
}

export interface WatchedPlace {
  readonly address: string;
  readonly hostsFile: string;
  readonly k3sDataDir: string;
  /** Where the `baton` command asks the agent. */
  readonly controlSocket: string;
}
