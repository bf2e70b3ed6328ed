/**
 * The port through which the steps of a promotion reach the datastore and the archive. The part
 * behind it is agent/stream/ and agent/adapters/datastore/; the shell only orders.
 *
 * Every outcome that a machine can bring about (full disk, damaged replica, a token that does not
 * open the bootstrap row) is a returned `ok: false` with a sentence; nothing of the old state is
 * lost by a step that failed.
 */

import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { StepOrder } from '../core/types.ts';

export type StepResult =
  | {
      readonly ok: true;
      readonly detail: string;
      readonly firstRevision?: number;
      readonly lastRevision?: number;
    }
  | { readonly ok: false; readonly detail: string };

export type InstallOrder = Extract<StepOrder, { step: 'install_datastore' }> & {
  readonly epoch: number;
};

export interface DatastoreSteps {
  /** Puts `server/db` in place for this epoch (DESIGN section 4); says the first revision. */
  installDatastore(order: InstallOrder): Promise<StepResult>;
  /** Puts token, manifests and configuration in place and checks that the token opens the row. */
  installArchive(): Promise<StepResult>;
  /** The server is stopped: everything after `to`'s cursor is sent and acknowledged. */
  sendLastRevisions(to: NodeName): Promise<StepResult>;
  /** The server is about to start, or has been stopped in order: what a later boot must know. */
  serverStarting(epoch: number): void;
  serverStopped(): void;
}
