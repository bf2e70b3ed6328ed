/**
 * L10 and L11: who counts, in which order lists stand, and what a majority of them is.
 *
 * Until a list is known to be committed, its predecessor counts as well: a grant needs a majority
 * of both. Two lists in force then share a voter with every list before them, because members
 * change one at a time. Source: LEASE.md, L10, L11.
 */
import type { MemberList, NodeName } from '../../../shared/protocol/lease-messages.ts';

/** Lists are ordered by epoch, then number. Above 0 when `a` is the newer one. */
export const compareLists = (a: MemberList, b: MemberList): number =>
  a.epoch - b.epoch || a.number - b.number;

/** The member lists that a grant must satisfy now. */
export const listsInForce = (list: MemberList): readonly (readonly NodeName[])[] =>
  list.committed || list.previous.length === 0 ? [list.members] : [list.members, list.previous];

const answered = (members: readonly NodeName[], granted: ReadonlySet<NodeName>): number => {
  let count = 0;
  for (const member of members) if (granted.has(member)) count += 1;
  return count;
};

/** L10: more than half of each list in force. What winning always needs. */
export const hasMajority = (list: MemberList, granted: ReadonlySet<NodeName>): boolean =>
  listsInForce(list).every((members) => answered(members, granted) * 2 > members.length);

/**
 * L11: what a holder's *renewal* needs. Only a cluster of two voters is pinned: half of each list
 * in force, the holder's own voter among them, so that the receiver's death does not fence the
 * master. Everywhere else it is a majority.
 */
export const hasRenewalQuorum = (
  list: MemberList,
  granted: ReadonlySet<NodeName>,
  holder: NodeName,
): boolean => {
  const lists = listsInForce(list);
  if (!lists.some((members) => members.length === 2)) return hasMajority(list, granted);
  return lists.every((members) => {
    const count = answered(members, granted);
    // A holder without a vote of its own has no lock of its own either: a majority, as elsewhere.
    if (members.length !== 2 || !members.includes(holder)) return count * 2 > members.length;
    return granted.has(holder);
  });
};

/** L10: one voter in or out at a time; anything else could leave two majorities apart. */
export const isSingleChange = (from: readonly NodeName[], to: readonly NodeName[]): boolean => {
  const added = to.filter((name) => !from.includes(name)).length;
  const removed = from.filter((name) => !to.includes(name)).length;
  return added + removed === 1;
};

/** The newer of two; of the same list the one that is known to be committed. */
export function newerList(a: MemberList, b: MemberList): MemberList {
  const order = compareLists(a, b);
  if (order !== 0) return order > 0 ? a : b;
  return a.committed || !b.committed ? a : b;
}

/** Everybody who is asked: the list, and its predecessor while that is still in force. */
export function asked(list: MemberList): readonly NodeName[] {
  if (list.committed || list.previous.length === 0) return list.members;
  const added = list.previous.filter((node) => !list.members.includes(node));
  return added.length === 0 ? list.members : [...list.members, ...added];
}

/** The next list under `epoch`, one voter more or less; uncommitted until both lists have it. */
export function changedList(
  list: MemberList,
  epoch: number,
  change: { readonly add: NodeName } | { readonly remove: NodeName },
): MemberList {
  const members =
    'add' in change
      ? [...list.members, change.add]
      : list.members.filter((node) => node !== change.remove);
  return { epoch, number: list.number + 1, members, previous: list.members, committed: false };
}

/** A founding list: all configured voters, known to everybody, so committed from the start. */
export const foundingList = (members: readonly NodeName[]): MemberList => ({
  epoch: 0,
  number: 0,
  members,
  previous: [],
  committed: true,
});
