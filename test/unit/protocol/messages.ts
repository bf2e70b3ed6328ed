/** Arbitrary lease messages of every kind, as big as the bounds allow, and nodes to send them. */
import fc from 'fast-check';
import { generateClusterKey } from '../../../shared/crypto/key-file.ts';
import { clusterKeyring, type Keyring, nodeBundle } from '../../../shared/crypto/keyring.ts';
import type {
  LeaseMessage,
  LeaseMessageKind,
  MemberList,
} from '../../../shared/protocol/lease-messages.ts';
import { MOST_NODES } from '../../../shared/protocol/schemas.ts';

const clusterKey = generateClusterKey(new Uint8Array(32).fill(7));
const nodes = [
  { name: 'pi1', eligible: true },
  { name: 'pi2', eligible: true },
  { name: 'shelf', eligible: false },
  { name: 'attic', eligible: false },
];
/** An eligible node's keys, or with `bundle` those of a node that holds only its own. */
export const ringOf = (self: string, bundle = false): Keyring =>
  clusterKeyring(bundle ? nodeBundle(clusterKey, self) : clusterKey, self, nodes);

const counter = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
const nonce = fc.stringMatching(/^[0-9a-f]{16}$/);
const names = fc.uniqueArray(name, { maxLength: MOST_NODES });
const span = fc.integer({ min: 0, max: 3_600_000 });
const request = fc.stringMatching(/^[0-9a-f:]{1,64}$/);

const list: fc.Arbitrary<MemberList> = fc.record({
  epoch: counter,
  number: counter,
  members: names,
  previous: names,
  committed: fc.boolean(),
});
const ballotOf = (node: fc.Arbitrary<string>) => fc.record({ counter, node, nonce });
const positionOf = (node: fc.Arbitrary<string>) =>
  fc.record({
    node,
    lineage_epoch: counter,
    revision: counter,
    word: fc.record({ nonce, sequence: counter }),
  });
const positions = fc.array(positionOf(name), { maxLength: MOST_NODES });
const wall = {
  wall_ms: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value || 0),
  wall_synchronised: fc.boolean(),
};
const known = { highest_epoch: counter, epoch_owner: fc.option(name) };

type Bodies = {
  [Kind in LeaseMessageKind]: fc.Arbitrary<Omit<Extract<LeaseMessage, { kind: Kind }>, 'kind'>>;
};

/** One arbitrary for each kind; a message of the last five kinds of a voter comes from `from`. */
const bodiesFrom = (from: string): Bodies => {
  const me = fc.constant(from);
  const ballot = ballotOf(name);
  const own = ballotOf(me);
  const accepted = fc.record({ ballot, owner: name, epoch: counter, remaining_ms: span });
  return {
    prepare: fc.record({ ballot: own, position: positionOf(me), list }),
    promise: fc.record({
      ballot,
      nonce,
      accepted: fc.option(accepted),
      ...known,
      list,
      newest_tenure: counter,
      positions,
      ...wall,
    }),
    refuse: fc.record({
      ballot,
      round: fc.option(counter),
      promised_counter: counter,
      ...known,
      list: fc.option(list),
      retry_after_ms: span,
      position: fc.option(positionOf(me)),
      reason: fc.string({ maxLength: 512, unit: 'binary' }),
    }),
    propose: fc.record({
      ballot: own,
      round: counter,
      owner: me,
      epoch: counter,
      duration_ms: span,
      nonces: fc.dictionary(name, nonce, { maxKeys: MOST_NODES, noNullPrototype: true }),
      list,
      positions,
      ...wall,
    }),
    accept: fc.record({
      ballot,
      round: counter,
      nonce,
      position: fc.option(positionOf(me)),
      list,
    }),
    release: fc.record({
      ballot: own,
      epoch: counter,
      successor: fc.option(name),
      last_revision: fc.option(counter),
    }),
    learn: fc.record({ request }),
    learned: fc.record({
      request,
      answer: fc.constantFrom('record' as const, 'fresh' as const),
      ...known,
      list: fc.option(list),
    }),
    announce: fc.record({
      epoch: counter,
      master: me,
      stage: fc.constantFrom('starting' as const, 'serving' as const, 'stopped' as const),
      api_host: fc.constantFrom('192.168.1.12', 'fe80::1', 'pi2.local'),
      api_port: fc.integer({ min: 1, max: 65_535 }),
      first_revision: counter,
    }),
    membership: fc.record({ wish: fc.constantFrom('join' as const, 'leave' as const), request }),
  };
};

export const messageKinds = Object.keys(bodiesFrom('pi1')) as LeaseMessageKind[];

/** An arbitrary message of one kind from `from`. */
export const messageOf = (kind: LeaseMessageKind, from: string): fc.Arbitrary<LeaseMessage> =>
  (bodiesFrom(from)[kind] as fc.Arbitrary<object>).map(
    (body) => ({ kind, ...body }) as LeaseMessage,
  );

export const anyMessage = (from: string): fc.Arbitrary<LeaseMessage> =>
  fc.oneof(...messageKinds.map((kind) => messageOf(kind, from)));
