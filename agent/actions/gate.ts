/**
 * The gate of the server: the lease file in /run, and the kernel's own timer on the data path.
 *
 * The order matters. Opening writes the file first: the dead man's switch, which would end a
 * running server, must see the new deadline before anybody can reach the server under it. Closing
 * shuts the data path first: nobody is answered any more, whatever happens to the rest.
 *
 * Does not promise that a server is stopped; that is the fence's work (agent/actions/fence.ts).
 * Source: DESIGN section 3, points 1 and 4.
 */
import type { Files } from '../../shared/ports/files.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { Instant } from '../../shared/time/duration.ts';
import { closeGate, openGate } from './lease-file.ts';

/** The port for the data-path gate; adapters/nft-gate.ts, or `openDataPath` in the demo. */
export interface DataPathGate {
  /**
   * Packets to the API pass until `deadline` at the latest, then the kernel drops them by itself.
   * Whatever freezes between this call and the kernel shortens that, and never lengthens it.
   */
  allow(deadline: Instant): void;
  /** Packets are dropped from now on. */
  shut(): void;
  /** Why the gate does not work on this machine, or null. A finding, and a rule on timing. */
  problem(): string | null;
  close(): void;
}

/** No data-path gate: setting `network.data_path_gate: none`, as in the demo on loopback. */
export const openDataPath: DataPathGate = {
  allow: () => {},
  shut: () => {},
  problem: () => null,
  close: () => {},
};

export interface GatePlace {
  readonly files: Files;
  readonly dataPath: DataPathGate;
  /** The lease file, usually /run/baton/lease. */
  readonly path: string;
  readonly bootId: string;
  readonly owner: NodeName;
}

export interface Gate {
  /** Opens both gates until `deadline`, or moves the deadline of open ones. */
  open(epoch: number, deadline: Instant): void;
  /** Shuts both; harmless when they are shut. */
  close(): void;
}

export function createGate(place: GatePlace): Gate {
  const { files, dataPath, path, bootId, owner } = place;
  return {
    open(epoch, deadline) {
      openGate(files, path, { bootId, owner, epoch, deadline });
      dataPath.allow(deadline);
    },
    close() {
      dataPath.shut();
      closeGate(files, path);
    },
  };
}
