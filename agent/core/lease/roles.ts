/**
 * Who may do what, by configuration: looked up so often that it is computed once per configuration.
 *
 * The configured voters are those that *may* be in the member list; which of them count right now
 * is the list's word (lease/member-list.ts).
 */
import type { NodeName } from '../../../shared/protocol/lease-messages.ts';
import type { CoreConfig } from '../types.ts';

interface Roles {
  readonly names: ReadonlySet<NodeName>;
  readonly others: readonly NodeName[];
  readonly voters: readonly NodeName[];
  readonly eligible: readonly NodeName[];
  readonly voterSet: ReadonlySet<NodeName>;
  readonly eligibleSet: ReadonlySet<NodeName>;
}

// Derived from an immutable object and keyed by it: the same input always gives the same answer.
const cache = new WeakMap<CoreConfig, Roles>();

function roles(config: CoreConfig): Roles {
  const known = cache.get(config);
  if (known !== undefined) return known;
  const names = config.nodes.map((entry) => entry.name);
  const voters = config.nodes.filter((entry) => entry.voter).map((entry) => entry.name);
  const eligible = config.nodes.filter((entry) => entry.eligible).map((entry) => entry.name);
  const made: Roles = {
    names: new Set(names),
    others: names.filter((name) => name !== config.node),
    voters,
    eligible,
    voterSet: new Set(voters),
    eligibleSet: new Set(eligible),
  };
  cache.set(config, made);
  return made;
}

export const isKnown = (config: CoreConfig, node: NodeName): boolean =>
  roles(config).names.has(node);
export const isVoter = (config: CoreConfig, node: NodeName): boolean =>
  roles(config).voterSet.has(node);
export const isEligible = (config: CoreConfig, node: NodeName): boolean =>
  roles(config).eligibleSet.has(node);
/** A node that neither votes nor may be master only follows: it keeps no lease state. */
export const takesPart = (config: CoreConfig): boolean =>
  isVoter(config, config.node) || isEligible(config, config.node);

export const others = (config: CoreConfig): readonly NodeName[] => roles(config).others;
export const configuredVoters = (config: CoreConfig): readonly NodeName[] => roles(config).voters;
export const eligibleNodes = (config: CoreConfig): readonly NodeName[] => roles(config).eligible;
