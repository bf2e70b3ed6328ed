/**
 * Keeps retained messages in the order in which they were published.
 *
 * aedes 1.2.0 stores a retained message asynchronously before it hands it on, so a message that is
 * not retained and came a moment later overtakes it. Subscribers then drop the retained one: they
 * take its smaller number for a copy of what they have seen (`dedupe` in aedes' lib/client.js).
 * With lease chatter beside values for people, a live reader missed values (found by the test of
 * two machines with one name). The store is memory and done at once, so nobody need wait for it.
 *
 * What is retained for a new subscription it takes from the store some dozen values ahead and sends
 * one by one, while what comes meanwhile is sent at once: the value that was replaced arrived after
 * the one that had replaced it, and stayed the last. So it is looked up again as it is sent.
 */
import type { Aedes } from 'aedes';

interface StoredPacket {
  readonly topic: string;
  readonly payload: string | Buffer;
}

interface RetainedStore {
  storeRetained(packet: StoredPacket): PromiseLike<void>;
}

/** Topic → payload, of all that is retained now. */
export type RetainedNow = ReadonlyMap<string, string | Buffer>;

/** What aedes calls is `then` alone; here it answers within the same turn. */
const doneAtOnce: PromiseLike<void> = {
  // biome-ignore lint/suspicious/noThenProperty: to be a thenable is the point
  then: <Result>(done?: ((value: undefined) => Result) | null) => {
    done?.(undefined);
    return doneAtOnce as PromiseLike<never>;
  },
};

/** Call it once, after `listen`, which creates the store. */
export const retainInOrder = (aedes: Aedes): RetainedNow => {
  const now = new Map<string, string | Buffer>();
  const { persistence } = aedes as unknown as { persistence: RetainedStore };
  const store = persistence.storeRetained.bind(persistence);
  persistence.storeRetained = (packet) => {
    const { topic, payload } = packet;
    if (payload.length === 0) now.delete(topic);
    else now.set(topic, payload);
    void store(packet);
    return doneAtOnce;
  };
  return now;
};
