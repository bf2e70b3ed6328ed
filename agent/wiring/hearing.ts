/** What becomes of a lease message once it has proved whose it is. */
import type { LeaseMessage, NodeName } from '../../shared/protocol/lease-messages.ts';
import type { AgentEvent, DatastoreFacts } from '../core/types.ts';

/**
 * Messages go to the core as they come. A Release that names this node meets what the node holds by
 * then (L13): positions are told twice a second, and the last rows have only just come.
 */
export const hearing =
  (
    self: NodeName,
    datastore: { facts(): DatastoreFacts },
    post: (event: AgentEvent) => void,
  ): ((from: NodeName, message: LeaseMessage) => void) =>
  (from, message) => {
    if (message.kind === 'release' && message.successor === self) {
      post({ kind: 'datastore', facts: datastore.facts() });
    }
    post({ kind: 'message', from, message });
  };
