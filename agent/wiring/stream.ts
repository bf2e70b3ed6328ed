/**
 * The datastore, the archive, and both ends of the revision stream, put together.
 */
import type { LinkNetwork } from '../../shared/ports/network.ts';
import type { Duration } from '../../shared/time/duration.ts';
import { type Finding, noteInto } from '../actions/findings.ts';
import { createReplication, type Replication } from '../actions/replication.ts';
import { ackLog } from '../adapters/ack-log.ts';
import { archiveStore } from '../adapters/archive.ts';
import { openDatastore } from '../adapters/datastore/datastore.ts';
import type { StreamLimits } from '../stream/api.ts';
import { streamReceiver } from '../stream/receiver.ts';
import { streamSender } from '../stream/sender.ts';
import type { Place } from './place.ts';

export interface StreamParts {
  readonly replication: Replication;
  /** What datastore and archive have to say at this moment. */
  findings(): readonly Finding[];
}

export interface StreamNeeds {
  readonly network: LinkNetwork;
  /** Highest epoch that this node knows of. */
  readonly highestEpoch: () => number;
  readonly serverGone: () => Promise<boolean>;
}

export function assembleStream(place: Place, needs: StreamNeeds): StreamParts {
  const { settings, clock, findings, environment, post } = place;
  const { paths, k3s, stream } = settings;
  const limits = streamLimits(place);
  const datastore = openDatastore({
    k3sDataDirectory: paths.k3s_data_dir,
    replicaDirectory: paths.replica_dir,
    stateDirectory: paths.state_dir,
    bootId: place.bootId,
    clock,
  });
  const archives = archiveStore({
    k3sDataDirectory: paths.k3s_data_dir,
    k3sConfigDirectory: paths.k3s_config_dir,
    stateDirectory: paths.state_dir,
    tokenFile: k3s.token_file,
  });
  const note = noteInto(findings);
  let moved: () => void = () => {};
  const receiver = streamReceiver({
    clock,
    network: needs.network,
    replica: datastore.replica,
    archives,
    highestEpoch: needs.highestEpoch,
    onPosition: () => {
      findings.clear('replica-failed');
      moved();
    },
    onFinding: note,
    limits,
  });
  const acknowledged = ackLog(environment.BATON_ACK_LOG);
  const replication = createReplication({
    clock,
    datastore,
    archives,
    receiver,
    createSender: (options) =>
      streamSender({ ...options, limits, mayReceive: place.keyring.isEligible }),
    post,
    acknowledged: (node, { revision }) => acknowledged(node, revision),
    finding: note,
    serverGone: needs.serverGone,
    saveInterval: stream.replica_save_interval_ms as Duration,
  });
  moved = () => replication.positionMoved();
  return {
    replication,
    findings: () => [...datastore.findings(), ...archives.findings()],
  };
}

function streamLimits({ settings }: Place): Partial<StreamLimits> {
  const { stream } = settings;
  return {
    maxRows: stream.max_batch_rows,
    maxBytes: stream.max_batch_bytes,
    windowBytes: stream.window_bytes,
    digestInterval: stream.digest_interval_ms,
    archiveInterval: stream.archive_interval_ms,
    wholeCopyInterval: stream.whole_copy_interval_ms,
    redialDelay: stream.redial_delay_ms,
    dialTimeout: stream.dial_timeout_ms,
    silenceLimit: stream.silence_limit_ms,
  };
}
