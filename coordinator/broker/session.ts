/**
 * One connection to the broker: who it is, and what it said when it connected.
 */
import type { PublishPacket } from 'aedes';
import type { GuardedStream } from '../../shared/net/mqtt-guarded-stream.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import { statusTopic } from '../../shared/protocol/topics.ts';
import type { NamedSession } from './name-watch.ts';
import type { Party } from './parties.ts';

/** What a client leaves behind to be published when its connection is lost. */
export type WillMessage = Pick<PublishPacket, 'topic' | 'payload'>;

export interface Session {
  readonly party: Party;
  readonly identity: string;
  /** Remote address, for people. */
  readonly from: string;
  readonly serial: number;
  readonly stream: GuardedStream;
  /** Set when an agent connects with the will that names its boot. */
  named: NamedSession | null;
  /** The very object aedes publishes when the connection is lost. */
  will: WillMessage | null;
}

/** The boot id in an agent's will, `offline <boot id>` on its own status topic; else null. */
export const bootIdOf = (node: NodeName, will: WillMessage | null): string | null => {
  if (will === null || will.topic !== statusTopic(node)) return null;
  const match = /^offline ([\w-]{1,64})$/.exec(will.payload.toString());
  return match?.[1] ?? null;
};

/**
 * The id by which aedes tells clients apart. Scoped by identity, so that nobody takes over a
 * connection of somebody else by naming its id; and by boot, so that two machines with one name
 * stay connected side by side until the name watch has told them apart.
 */
export const scopedClientId = (session: Session, clientId: string): string => {
  const own = clientId === '' ? `#${session.serial}` : clientId;
  return `${session.identity}/${session.named?.bootId ?? ''}/${own}`;
};
