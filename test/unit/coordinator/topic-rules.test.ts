/** Who may publish and read what: the broker's rules, without a broker. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keyOf, type Party, partyOf } from '../../../coordinator/broker/parties.ts';
import { publishRefusal, subscribeRefusal } from '../../../coordinator/broker/topic-rules.ts';
import { filterMatches, filterWithin } from '../../../shared/net/mqtt-topic-filters.ts';
import { testKey, testKeys, testNodes } from './broker-rig.ts';

const master: Party = { kind: 'node', node: 'pi1', eligible: true };
const witness: Party = { kind: 'node', node: 'pi3', eligible: false };
const cli: Party = { kind: 'cli' };
const reader: Party = { kind: 'reader' };

describe('identities', () => {
  it('know nodes, the command and readers, and nobody else', () => {
    expect(partyOf('pi1', testNodes)).toEqual(master);
    expect(partyOf('pi3', testNodes)).toEqual(witness);
    expect(partyOf('cli', testNodes)).toEqual(cli);
    expect(partyOf('reader@pi3', testNodes)).toEqual(reader);
    for (const stranger of ['pi9', 'reader@pi9', 'cluster', 'PI1', '', 'reader@', '__proto__']) {
      expect(partyOf(stranger, testNodes), stranger).toBeNull();
      expect(keyOf(stranger, testNodes, testKeys), stranger).toBeNull();
    }
  });

  it('let a node carry readers with its own key', () => {
    expect(keyOf('reader@pi3', testNodes, testKeys)).toEqual(testKey('pi3'));
    expect(keyOf('cli', testNodes, testKeys)).toEqual(testKey('cli'));
  });

  it('cannot be named like a level that is the coordinators’ own', () => {
    expect(partyOf('cluster', [{ name: 'cluster', eligible: true }])).toBeNull();
    expect(partyOf('cli', [{ name: 'cli', eligible: true }])).toEqual(cli);
  });
});

describe('publishing', () => {
  const allowed: readonly [Party, string][] = [
    [master, 'baton/pi1/status'],
    [master, 'baton/pi1/power/undervoltage'],
    [master, 'baton-wire/pi1/lease/pi2'],
    [master, 'baton-wire/pi1/report'],
    [master, 'baton-wire/pi3/command/move'],
    [cli, 'baton-wire/pi2/command/move'],
    [witness, 'baton-wire/pi3/lease/pi1'],
  ];
  it.each(allowed)('%o may publish on %s', (party, topic) => {
    expect(publishRefusal(party, topic)).toBeNull();
  });

  const refused: readonly [Party, string][] = [
    [master, 'baton/pi2/status'],
    [master, 'baton-wire/pi2/lease/pi1'],
    [master, 'baton/cluster/master'],
    [master, 'baton-wire/coordinator-pi1/ranking'],
    [
      { kind: 'node', node: 'coordinator-pi1', eligible: true },
      'baton-wire/coordinator-pi1/ranking',
    ],
    [master, 'baton'],
    [master, 'batonx/pi1/status'],
    [master, 'baton/pi1/a/b/c/d'],
    [master, '$SYS/broker/uptime'],
    [master, 'baton/pi1/x\u001b[2Jy'],
    [master, `baton/pi1/${'x'.repeat(300)}`],
    [witness, 'baton-wire/pi1/command/move'],
    [witness, 'baton-wire/pi3/command/move'],
    [cli, 'baton/pi1/status'],
    [cli, 'baton-wire/pi1/lease/pi2'],
    [reader, 'baton/pi1/status'],
    [reader, 'baton-wire/pi1/command/move'],
  ];
  it.each(refused)('%o may not publish on %s', (party, topic) => {
    expect(publishRefusal(party, topic)).toEqual(expect.any(String));
  });

  it('never lets a node outside its own name or the commands (any topic)', () => {
    const level = fc.constantFrom(
      'baton',
      'baton-wire',
      'pi1',
      'pi3',
      'cluster',
      'command',
      '',
      'x',
    );
    fc.assert(
      fc.property(fc.array(level, { minLength: 1, maxLength: 7 }), (levels) => {
        const topic = levels.join('/');
        if (publishRefusal(witness, topic) !== null) return;
        expect(levels[1]).toBe('pi3');
        expect(levels.slice(0, 3)).not.toEqual(['baton-wire', 'pi3', 'command']);
      }),
    );
  });
});

describe('reading', () => {
  it('shows people what is for people, and nothing else', () => {
    expect(subscribeRefusal(reader, 'baton/#')).toBeNull();
    expect(subscribeRefusal(reader, 'baton/+/status')).toBeNull();
    for (const filter of [
      '#',
      '+/#',
      '+/pi1/status',
      'baton-wire/#',
      '$SYS/#',
      '$share/g/baton/#',
    ]) {
      expect(subscribeRefusal(reader, filter), filter).toEqual(expect.any(String));
    }
  });

  it('shows a witness its own messages only', () => {
    expect(subscribeRefusal(witness, 'baton-wire/+/lease/pi3')).toBeNull();
    expect(subscribeRefusal(witness, 'baton-wire/pi3/command/#')).toBeNull();
    expect(subscribeRefusal(witness, 'baton-wire/+/lease/pi1')).toEqual(expect.any(String));
    expect(subscribeRefusal(witness, 'baton-wire/+/lease/+')).toEqual(expect.any(String));
    expect(subscribeRefusal(witness, 'baton-wire/+/report')).toBeNull();
    expect(subscribeRefusal(master, 'baton-wire/#')).toBeNull();
  });

  it('refuses shared subscriptions to everybody', () => {
    expect(subscribeRefusal(master, '$share/group/baton/#')).toMatch(/shared/);
  });
});

describe('topic filters', () => {
  it('match as MQTT 3.1.1, 4.7 says', () => {
    expect(filterMatches('sport/tennis/#', 'sport/tennis')).toBe(true);
    expect(filterMatches('sport/tennis/+', 'sport/tennis/a/b')).toBe(false);
    expect(filterMatches('sport/+', 'sport/')).toBe(true);
    expect(filterMatches('sport/+', 'sport')).toBe(false);
    expect(filterMatches('+/+', '/finance')).toBe(true);
  });

  it('contain one another only when every topic of the one matches the other', () => {
    const level = fc.constantFrom('a', 'b', '+');
    const filter = fc
      .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
      .map(([levels, tail]) => [...levels, ...(tail ? ['#'] : [])].join('/'));
    const topics = fc.sample(
      fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 }),
      { numRuns: 300, seed: 7 },
    );
    fc.assert(
      fc.property(filter, filter, (one, other) => {
        if (!filterWithin(one, other)) return;
        for (const topic of topics.map((levels) => levels.join('/'))) {
          if (filterMatches(one, topic)) expect(filterMatches(other, topic)).toBe(true);
        }
      }),
    );
  });
});
