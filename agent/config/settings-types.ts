/**
 * The settings of /etc/baton/agent.yaml as a type. Generated from agent/config.ts by
 * `npm run gen`; a change here is lost. Keys are those of the file.
 */
import type { Duration } from '../../shared/time/duration.ts';

export interface AgentSettings {
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
  /**
   * The mastership lease. Every node must have the same values; the rules below refuse unsafe ones.
   */
  readonly lease: {
    /** How long a voter keeps the lease for one master after it has granted it. */
    readonly lease_duration_ms: Duration;
    /** How often the master renews. */
    readonly renew_interval_ms: Duration;
    /** The master stops its server this long after it sent its last granted renewal. */
    readonly fence_after_ms: Duration;
    /** Most by which two boot clocks may run apart. Unit: %. */
    readonly drift_percent: number;
    /** How long answers to one round are waited for. */
    readonly answer_timeout_ms: Duration;
    /** A candidate waits its rank times this, so that the best one asks first. */
    readonly candidate_stagger_ms: Duration;
    /** How long a candidate gives way to a better replica, once per vacancy. */
    readonly yield_wait_ms: Duration;
    /** How long the last master is waited for when every node has been off. */
    readonly cold_start_wait_ms: Duration;
    /** A voter silent for this long is taken out of the list until it returns. */
    readonly retire_after_ms: Duration;
    /** A node that failed as master, or to become one, leaves it to the others for this long. */
    readonly sit_out_ms: Duration;
    /**
     * Times a crashing server is restarted on the spot before the role is given away; the lease may
     * be lost as often, within ten minutes, before the node sits out.
     */
    readonly server_restarts: number;
  };
  /** The revision stream from the master to the receivers. */
  readonly stream: {
    /** Most rows that are read in one transaction. */
    readonly max_batch_rows: number;
    /** About the most bytes that are read in one transaction; one row always is. Unit: bytes. */
    readonly max_batch_bytes: number;
    /** Bytes on the way to one receiver before the sender waits. Unit: bytes. */
    readonly window_bytes: number;
    /** How often the live state of replica and master is compared. */
    readonly digest_interval_ms: Duration;
    /** How often token, manifests and configuration are looked at for a change. */
    readonly archive_interval_ms: Duration;
    /** How often the whole datastore is copied when kine’s schema is unknown. */
    readonly whole_copy_interval_ms: Duration;
    /** How often a receiver writes its replica from RAM to the disk. */
    readonly replica_save_interval_ms: Duration;
    /** Pause before a receiver dials its master again. */
    readonly redial_delay_ms: Duration;
    /** How long one attempt to connect may take. */
    readonly dial_timeout_ms: Duration;
    /** A receiver that hears nothing for this long dials again. */
    readonly silence_limit_ms: Duration;
  };
  /** Where things are on this machine. */
  readonly paths: {
    /** Run record and control socket; in memory, gone after a reboot. */
    readonly run_dir: string;
    /** Disk record, saved replica, quarantine; survives a reboot. */
    readonly state_dir: string;
    /**
     * The replica; in memory (tmpfs). It stops growing where an eighth of that file system, at most
     * 64 MiB, is left to others.
     */
    readonly replica_dir: string;
    /**
     * The data directory of k3s. Outside /var/lib the unit of the agent needs it in
     * `ReadWritePaths=` (systemd/INSTALL.md); it says so when it cannot write there.
     */
    readonly k3s_data_dir: string;
    /** The configuration directory of k3s. Outside /etc the same. */
    readonly k3s_config_dir: string;
    /** The file whose `baton-api` line follows the master. */
    readonly hosts_file: string;
    /** The file that names this boot. */
    readonly boot_id_file: string;
    /** The file that gate and dead man’s switch judge. */
    readonly lease_file: string;
  };
  /** k3s on this machine. */
  readonly k3s: {
    /** Who starts and stops k3s: systemd units, or the agent’s own supervisor. */
    readonly unit_manager: 'systemd' | 'process';
    /** The k3s program, for the supervisor; empty takes BATON_K3S, else k3s on the PATH. */
    readonly command: string | null;
    /** Further arguments of `k3s server`; the same on every eligible node. */
    readonly server_args: readonly string[];
    /** TCP port of the Kubernetes API here; the same as in the own cluster.nodes entry. */
    readonly api_port: number;
    /** File with the k3s token, which decrypts the bootstrap data in the datastore. */
    readonly token_file: string;
  };
  /** The network of this machine. */
  readonly network: {
    /** What shuts the API’s ports at the self-fence deadline: the kernel, or nothing. */
    readonly data_path_gate: 'nft' | 'none';
  };
  /** The read-only broker on this machine, for people. */
  readonly mqtt: {
    /** Where `mosquitto_sub -v -t "baton/#"` may connect without a key. */
    readonly reader_address: string;
    /** Its TCP port. */
    readonly reader_port: number;
  };
  /** The log, on standard output. */
  readonly log: {
    /** The least important lines that are written. */
    readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  };
}
