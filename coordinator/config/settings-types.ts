/**
 * The settings of /etc/baton/coordinator.yaml as a type. Generated from coordinator/config.ts by
 * `npm run gen`; a change here is lost. Keys are those of the file.
 */
export interface CoordinatorSettings {
  /** This machine. */
  readonly node: {
    /** Which entry of cluster.nodes this machine is. */
    readonly name: string;
  };
  /** Who is in the cluster; the same on every node. */
  readonly cluster: {
    /** File with the cluster key, or on a node that is not eligible its own key. */
    readonly key_file: string;
    /** Every node, in any order, the same list everywhere. */
    readonly nodes: readonly {
      /** The name the node has in baton, in topics and as a Kubernetes node. */
      readonly name: string;
      /** Where the other nodes reach it. */
      readonly address: string;
      /** TCP port of its direct links. */
      readonly link_port: number;
      /** It may become master and holds a replica and the cluster key. */
      readonly eligible: boolean;
      /** It takes part in the lease. A voter that is not eligible is a witness. */
      readonly voter: boolean;
      /** TCP port of its broker, when it has one. */
      readonly mqtt_port: number;
      /** It runs a coordinator: broker and scout. */
      readonly coordinator: boolean;
      /** TCP port of its Kubernetes API while it is master. */
      readonly api_port: number;
      /** Your preference among nodes whose replicas are equal; higher is tried first. */
      readonly weight: number;
    }[];
  };
  /** The broker for agents and for people with a key (TLS-PSK). */
  readonly listen: {
    /** The address of this machine that it listens on. */
    readonly address: string;
    /** Its TCP port; the same as in the own cluster.nodes entry. */
    readonly mqtt_port: number;
    /** A larger MQTT packet ends its connection before it is in memory. Unit: bytes. */
    readonly packet_limit_bytes: number;
  };
  /** The read-only broker without a key, for people on this machine. */
  readonly reader: {
    /** It listens. */
    readonly enabled: boolean;
    /** The address of this machine that it listens on. */
    readonly address: string;
    /** Its TCP port. */
    readonly port: number;
  };
  /** The log, on standard output. */
  readonly log: {
    /** The least important lines that are written. */
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  };
}
