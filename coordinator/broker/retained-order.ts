/**
 * Keeps retained messages in the order in which they were published.
 *
 * aedes 1.2.0 stores a retained message asynchronously before it hands it on, so a message that is
 * not retained and came a moment later overtakes it. Subscribers then drop the retained one: they
 * take its smaller number for a copy of what they have seen (`dedupe` in aedes' lib/client.js).
 * With lease chatter beside values for people, a live reader missed values (found by the test of
 * two machines with one name). The store is memory and done at once, so nobody need wait for it.
 */
import type { Aedes } from 'aedes';

interface RetainedStore {
  storeRetained(packet: unknown): PromiseLike<void>;
}

/** What aedes calls is `then` alone; here it answers within the same turn. */
const doneAtOnce: PromiseLike<void> = {
  // biome-ignore lint/suspicious/noThenProperty: to be a thenable is the point
  then: <Result>(done?: ((value: undefined) => Result) | null) => {
    done?.(undefined);
    return doneAtOnce as PromiseLike<never>;
  },
};

/** Call it once, after `listen`, which creates the store. */
export const retainInOrder = (aedes: Aedes): void => {
  const { persistence } = aedes as unknown as { persistence: RetainedStore };
  const store = persistence.storeRetained.bind(persistence);
  persistence.storeRetained = (packet) => {
    void store(packet);
    return doneAtOnce;
  };
};
