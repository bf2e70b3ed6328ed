/**
 * The broker's rules: who may publish what, and who may read what (DESIGN section 6).
 *
 * A node publishes only under its own name; commands come only from eligible nodes or the CLI;
 * `baton/cluster/…` and `baton-wire/coordinator-…` come only from the coordinator itself, which
 * publishes inside the broker and is not asked here. Lease messages carry their own MAC from end
 * to end: these rules keep order, they are not what safety rests on.
 */
import { filterWithin } from '../../shared/net/mqtt-topic-filters.ts';
import type { Party } from './parties.ts';

/** Longest topic or filter, characters. */
const TOPIC_LENGTH_LIMIT = 256;
/** `baton/<node>/<area>/<item>` and one spare: `baton/#` stays readable. */
const HUMAN_LEVEL_LIMIT = 5;
const LEVEL_LIMIT = 8;

/** Null when allowed, otherwise the reason in words. */
export type Refusal = string | null;

/** True for control characters, which MQTT 3.1.1 (1.5.3) advises against and logs suffer from. */
const holdsControls = (text: string): boolean => {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
};

const shapeRefusal = (topic: string): Refusal => {
  if (topic.length > TOPIC_LENGTH_LIMIT) return `longer than ${TOPIC_LENGTH_LIMIT} characters`;
  if (holdsControls(topic)) return 'holds control characters';
  const levels = topic.split('/');
  const limit = levels[0] === 'baton' ? HUMAN_LEVEL_LIMIT : LEVEL_LIMIT;
  return levels.length > limit ? `has more than ${limit} levels` : null;
};

export const publishRefusal = (party: Party, topic: string): Refusal => {
  const shape = shapeRefusal(topic);
  if (shape !== null) return shape;
  if (party.kind === 'reader') return 'this identity only reads';
  if (filterWithin(topic, 'baton-wire/+/command/#')) {
    return party.kind === 'cli' || party.eligible
      ? null
      : 'commands come only from eligible nodes or the baton command';
  }
  if (party.kind === 'cli') return 'the baton command publishes only commands';
  // Also for a node that happens to be called coordinator-pi1.
  if (filterWithin(topic, 'baton-wire/+/ranking')) return 'only coordinators publish rankings';
  const own =
    filterWithin(topic, `baton/${party.node}/#`) ||
    filterWithin(topic, `baton-wire/${party.node}/#`);
  return own ? null : `${party.node} publishes only under its own name`;
};

/** Filters whose topics `party` may read. */
const readable = (party: Party): readonly string[] => {
  if (party.kind === 'reader') return ['baton/#'];
  // Eligible nodes hold the cluster key anyway; a witness reads what is meant for it.
  if (party.kind === 'cli' || party.eligible) return ['baton/#', 'baton-wire/#'];
  return [
    'baton/#',
    `baton-wire/+/lease/${party.node}`,
    `baton-wire/${party.node}/#`,
    'baton-wire/+/report',
    'baton-wire/+/ranking',
  ];
};

export const subscribeRefusal = (party: Party, filter: string): Refusal => {
  // aedes grants shared subscriptions and never delivers to them (both 1.2 and 2 beta).
  if (filter.startsWith('$share/')) return 'shared subscriptions are not supported';
  if (filter.length > TOPIC_LENGTH_LIMIT) return `longer than ${TOPIC_LENGTH_LIMIT} characters`;
  return readable(party).some((allowed) => filterWithin(filter, allowed))
    ? null
    : `only ${readable(party).join(', ')} may be read`;
};
