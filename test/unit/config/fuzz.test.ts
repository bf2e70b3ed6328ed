/** Whatever stands in the file: settings or problems, never a throw, every problem with a place. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadAgentSettings } from '../../../agent/config.ts';
import type { SettingsProblem } from '../../../shared/config/problems.ts';
import { editDistance, nearest } from '../../../shared/config/suggest.ts';
import { agentSettings, agentText, FILE } from './samples.ts';

/** The problems in `text`, each held to what a person needs; null when it was accepted. */
function judged(text: string): readonly SettingsProblem[] | null {
  const loaded = loadAgentSettings(text, FILE);
  if (loaded.ok) return null;
  expect(loaded.problems.length).toBeGreaterThan(0);
  for (const { file, line, text: words, rule } of loaded.problems) {
    expect(file).toBe(FILE);
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length + 1);
    expect(rule).toMatch(/^[a-z-]+$/);
    expect(words.length).toBeGreaterThan(10);
  }
  return loaded.problems;
}

const keys = ['node', 'name', 'cluster', 'nodes', 'lease', 'lease_duration_ms', 'k3s', 'paths'];
const pieces = fc.constantFrom(
  ...keys.map((key) => `${key}:`),
  ...[' ', '  ', '\n', '- ', '[', ']', '{', '}', ', ', '"', "'", '&a ', '*a', '!t ', '|', '>'],
  ...['#', '%YAML 1.1\n', '---\n', '...\n', '\t', '\r', '\0', '?', ': ', '<<', '~', '1e9', 'ä'],
);

describe('random files', () => {
  test('random text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        expect(judged(text)).not.toBeNull();
      }),
    );
  });

  test('random words of YAML', () => {
    const text = fc.array(pieces, { maxLength: 60 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, (value) => void judged(value)),
      { numRuns: 500 },
    );
  });

  test('random values under the known keys', () => {
    const sections = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 4 }));
    fc.assert(fc.property(sections, (value) => void judged(stringify(value))));
  });

  test('a good file with one piece cut out, put in or replaced', () => {
    const edit = fc.record({
      at: fc.nat(agentText.length),
      length: fc.nat(40),
      piece: fc.oneof(pieces, fc.string({ maxLength: 8 })),
    });
    const isJudged = fc.property(edit, ({ at, length, piece }) => {
      const text = agentText.slice(0, at) + piece + agentText.slice(at + length);
      const problems = judged(text);
      if (problems !== null) return;
      // What was accepted in spite of the damage still names this node and its own entry.
      const settings = agentSettings(text);
      expect(settings.cluster.nodes.map(({ name }) => name)).toContain(settings.node.name);
    });
    fc.assert(isJudged, { numRuns: 500 });
  });
});

test('settings written as YAML are read back as they were', () => {
  const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/);
  const cluster = fc.record({
    names: fc.uniqueArray(name, { minLength: 1, maxLength: 7 }),
    weight: fc.integer({ min: -100, max: 100 }),
    redial_delay_ms: fc.integer({ min: 10, max: 3_000 }),
    level: fc.constantFrom('debug', 'info', 'warn'),
    server_args: fc.array(fc.stringMatching(/^[!-~ ]{1,30}$/), { maxLength: 5 }),
  });
  const survives = fc.property(cluster, (value) => {
    const nodes = value.names.map((node, index) => ({
      name: node,
      address: `10.0.0.${index + 1}`,
      weight: value.weight,
    }));
    const text = stringify({
      node: { name: value.names[0] },
      cluster: { nodes },
      stream: { redial_delay_ms: value.redial_delay_ms },
      k3s: { server_args: value.server_args },
      log: { level: value.level },
    });
    const settings = agentSettings(text);
    expect(settings.cluster.nodes.map(({ name: node }) => node)).toEqual(value.names);
    expect(settings.cluster.nodes.every(({ weight }) => weight === value.weight)).toBe(true);
    expect(settings.stream.redial_delay_ms).toBe(value.redial_delay_ms);
    expect(settings.k3s.server_args).toEqual(value.server_args);
    expect(settings.log.level).toBe(value.level);
  });
  fc.assert(survives);
});

describe('did you mean', () => {
  const word = fc.stringMatching(/^[a-c]{0,8}$/);

  test.each<[string, string, number]>([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['ab', 'ba', 1],
    ['lease', 'laese', 1],
  ])('%j to %j is %i', (one, other, distance) => {
    expect(editDistance(one, other)).toBe(distance);
  });

  test('distance: none to itself, the same both ways, at most the longer word', () => {
    fc.assert(
      fc.property(word, word, (one, other) => {
        const distance = editDistance(one, other);
        expect(distance).toBe(editDistance(other, one));
        expect(distance === 0).toBe(one === other);
        expect(distance).toBeLessThanOrEqual(Math.max(one.length, other.length));
        expect(distance).toBeGreaterThanOrEqual(Math.abs(one.length - other.length));
      }),
    );
  });

  test('any one typing error in a real key is recognised', () => {
    const real = Object.keys(agentSettings().lease);
    const error = fc.record({
      key: fc.constantFrom(...real),
      at: fc.nat(30),
      letter: fc.constantFrom('x', 'q', '_'),
      kind: fc.constantFrom('insert', 'delete', 'replace'),
    });
    fc.assert(
      fc.property(error, ({ key, at, letter, kind }) => {
        const place = at % (key.length - 3);
        const rest = key.slice(kind === 'insert' ? place : place + 1);
        const typed = key.slice(0, place) + (kind === 'delete' ? '' : letter) + rest;
        expect(nearest(typed, real)).toBe(key);
      }),
    );
  });

  test('nothing is near to nothing alike, nor to a word without end', () => {
    expect(nearest('banana', ['lease_duration_ms', 'renew_interval_ms'])).toBeNull();
    expect(nearest('lease'.repeat(100_000), ['lease'])).toBeNull();
    expect(nearest('lease', [])).toBeNull();
  });
});
