/** Every way in which a settings file can be wrong: file, line, key, and what to do about it. */
import { describe, expect, test } from 'vitest';
import { loadAgentSettings, problemLine } from '../../../agent/config.ts';
import { loadCoordinatorSettings } from '../../../coordinator/config.ts';
import { LARGEST_FILE } from '../../../shared/config/load.ts';
import { MOST_PROBLEMS } from '../../../shared/config/problems.ts';
import { agentProblems, agentText, changed, FILE, problemsOf } from './samples.ts';

test('the sample itself is accepted, with Windows line ends and a byte order mark too', () => {
  expect(agentProblems(agentText)).toEqual([]);
  expect(agentProblems(`\uFEFF${agentText.replaceAll('\n', '\r\n')}`)).toEqual([]);
});

describe('keys', () => {
  const lease = (line: string) => `${agentText}lease:\n  ${line}\n`;

  test.each<[string, string, string]>([
    ['a typing error', 'renew_intervall_ms: 1500', 'did you mean "renew_interval_ms"?'],
    ['swapped letters', 'lease_duratoin_ms: 8000', 'did you mean "lease_duration_ms"?'],
    ['another unit', 'lease_duration_s: 8', 'did you mean "lease_duration_ms"?'],
    ['no unit', 'fence_after: 5000', 'did you mean "fence_after_ms"?'],
    ['dashes', 'sit-out-ms: 60000', 'did you mean "sit_out_ms"?'],
    ['the wrong section', 'reader_port: 1883', 'it belongs at mqtt.reader_port'],
    ['the wrong section, in a list', 'weight: 1', 'it belongs at cluster.nodes[].weight'],
  ])('unknown: %s', (_what, line, advice) => {
    const key = `lease.${line.split(':')[0]}`;
    const expected = [14, key, 'unknown-key', `unknown key - ${advice}`];
    expect(agentProblems(lease(line))).toEqual([expected]);
  });

  test('unknown and like nothing: what is known there is listed', () => {
    const [problem] = agentProblems(`${agentText}network:\n  banana: 1\n`);
    const text = 'unknown key - known here: data_path_gate';
    expect(problem).toEqual([14, 'network.banana', 'unknown-key', text]);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '<<'])(
    'a key that every object has is unknown all the same: %s',
    (name) => {
      const problems = agentProblems(`${agentText}${name}: {polluted: true}\n`);
      expect(problems.map(([line, key, rule]) => [line, key, rule])).toEqual([
        [13, name, 'unknown-key'],
      ]);
      expect({}).not.toHaveProperty('polluted');
    },
  );

  test('a key that stands twice names both lines', () => {
    const text = `${agentText}log:\n  level: info\n  level: debug\n`;
    const words = 'stands twice - it is on line 14 too; remove one';
    expect(agentProblems(text)).toEqual([[15, 'log.level', 'repeated-key', words]]);
  });

  test('a missing key is told at its section, with what it is for', () => {
    const problems = agentProblems(changed('      address: 192.168.1.12\n', ''));
    const words = 'is missing and has no default - Where the other nodes reach it.';
    expect(problems).toEqual([[8, 'cluster.nodes[1].address', 'missing', words]]);
  });
});

describe('values', () => {
  test.each<[string, string, string, string]>([
    ['lease_duration_ms: "8000"', 'wrong-type', 'is the text "8000", must be', 'from 500 to'],
    ['lease_duration_ms: 8000.5', 'wrong-type', 'is 8000.5, must be', 'whole number'],
    ['lease_duration_ms: yes', 'wrong-type', 'is the text "yes", must be', 'whole number'],
    ['lease_duration_ms:', 'wrong-type', 'is nothing, must be', 'whole number'],
    ['lease_duration_ms: [1]', 'wrong-type', 'is a list, must be', 'whole number'],
    ['lease_duration_ms: {a: 1}', 'wrong-type', 'is a section, must be', 'whole number'],
    ['lease_duration_ms: .nan', 'wrong-type', 'is NaN, must be', 'whole number'],
    ['lease_duration_ms: .inf', 'wrong-type', 'is Infinity, must be', 'whole number'],
    ['lease_duration_ms: 8s', 'wrong-type', 'is the text "8s", must be', '500 to 600000 ms'],
    ['lease_duration_ms: 499', 'out-of-bounds', 'is 499, must be', '500 to 600000 ms'],
    ['lease_duration_ms: 600001', 'out-of-bounds', 'is 600001, must be', '500 to 600000 ms'],
    ['lease_duration_ms: -8000', 'out-of-bounds', 'is -8000, must be', '500 to 600000 ms'],
    ['drift_percent: 49.1', 'out-of-bounds', 'is 49.1, must be', '0 to 49 %'],
    ['drift_percent: 1 %', 'wrong-type', 'is the text "1 %", must be', '0 to 49 %'],
  ])('lease: %s', (line, rule, is, mustBe) => {
    const [problem, ...more] = agentProblems(`${agentText}lease:\n  ${line}\n`);
    expect(more).toEqual([]);
    expect(problem?.slice(0, 3)).toEqual([14, `lease.${line.split(':')[0]}`, rule]);
    expect(problem?.[3]).toContain(is);
    expect(problem?.[3]).toContain(mustBe);
  });

  test.each<[string, string, string]>([
    ['name: pi2', 'name: Pi2', 'must be a node name: lowercase letters'],
    ['name: pi2', 'name: -pi2', 'must be a node name'],
    ['name: pi2', `name: ${'p'.repeat(64)}`, '1 to 63 characters'],
    ['name: pi2', 'name: 2', 'is 2, must be a node name'],
    ['name: pi2', 'name: 2', 'put it in quotes'],
    ['name: pi2', 'name: ../etc', 'must be a node name'],
    ['name: pi2', 'name: "pi2\\n"', 'must be a node name'],
    ['address: 192.168.1.12', 'address: pi2.local', 'must be an IP address'],
    ['address: 192.168.1.12', 'address: 192.168.1.256', 'must be an IP address'],
    ['address: 192.168.1.12', 'address: 192.168.1.12/24', 'must be an IP address'],
  ])('node: %s -> %s', (from, to, words) => {
    const [problem, ...more] = agentProblems(changed(from, to));
    expect(more).toEqual([]);
    expect(problem?.[0]).toBe(from.startsWith('name') ? 8 : 9);
    expect(problem?.[1]).toMatch(/^cluster\.nodes\[1\]\.(?:name|address)$/);
    expect(problem?.[3]).toContain(words);
  });

  test.each<[string, string]>([
    ['paths:\n  run_dir: run/baton', 'must be an absolute path'],
    ['paths:\n  run_dir: /run/../etc', 'must be an absolute path without ".."'],
    ['mqtt:\n  reader_address: 0.0.0.0', 'must be an address of this machine alone'],
    ['mqtt:\n  reader_port: 0', 'must be a whole number from 1 to 65535'],
    ['mqtt:\n  reader_port: 65536', 'must be a whole number from 1 to 65535'],
    ['log:\n  level: loud', 'must be "trace" or "debug" or "info"'],
    ['network:\n  data_path_gate: true', 'must be "nft" or "none"'],
    ['k3s:\n  server_args: --disable=traefik', 'must be a list of at most 64 texts'],
    ['k3s:\n  server_args: [--v, 5]', 'must be a list of at most 64 texts'],
    [`k3s:\n  server_args: [${'--x, '.repeat(65)}]`, 'must be a list of at most 64 texts'],
    ['k3s:\n  command: ""', 'must be text of 1 to 4096 characters'],
  ])('%s', (lines, words) => {
    const [problem, ...more] = agentProblems(`${agentText}${lines}\n`);
    expect(more).toEqual([]);
    expect([problem?.[0], problem?.[3].includes(words)]).toEqual([14, true]);
  });

  test('a secret is never repeated, and a long value is cut short', () => {
    const [problem] = agentProblems(changed('192.168.1.12', 'x'.repeat(5_000)));
    expect(problem?.[3].length).toBeLessThan(200);
  });

  test('flags are true or false: YAML 1.1 words are texts', () => {
    const [problem] = agentProblems(changed('eligible: false', 'eligible: no'));
    expect(problem?.slice(1)).toEqual([
      'cluster.nodes[2].eligible',
      'wrong-type',
      'is the text "no", must be true or false',
    ]);
  });
});

describe('shape', () => {
  test.each<[string, string, string]>([
    ['node: pi1\n', 'node', 'is the text "pi1", must be a section of keys'],
    ['node: [pi1]\n', 'node', 'is a list, must be a section of keys'],
  ])('%j', (to, key, words) => {
    const problems = agentProblems(changed('node:\n  name: pi1\n', to));
    expect(problems).toContainEqual([1, key, 'wrong-type', words]);
  });

  test.each<[string, string]>([
    ['{}', 'is a section, must be a list of entries'],
    ['[]', 'has 0 entries, must have 1 to 32'],
    ['pi1', 'is the text "pi1", must be a list of entries'],
    [`[${'{name: a, address: 10.0.0.1}, '.repeat(33)}]`, 'has 33 entries, must have 1 to 32'],
  ])('cluster.nodes: %s', (nodes, words) => {
    const problems = agentProblems(`node:\n  name: pi1\ncluster:\n  nodes: ${nodes}\n`);
    expect(problems.map(([line, key, , text]) => [line, key, text])).toEqual([
      [4, 'cluster.nodes', words],
    ]);
  });

  test.each(['', '\n\n', '# only a comment\n', '---\n', 'null\n'])('empty: %j', (text) => {
    expect(agentProblems(text).map(([line, key, rule]) => [line, key, rule])).toEqual([
      [1, 'node.name', 'missing'],
      [1, 'cluster.nodes', 'missing'],
    ]);
  });

  test.each(['just words', '- a\n- b\n', '42'])('no settings at all: %j', (text) => {
    const [problem, ...more] = agentProblems(text);
    expect(more).toEqual([]);
    expect(problem?.slice(0, 3)).toEqual([1, '', 'wrong-type']);
    expect(problem?.[3]).toContain('must be a section of keys');
  });
});

describe('broken YAML', () => {
  test.each<[string, string, number]>([
    ['a bracket without end', `${agentText}lease: {\n`, 14],
    ['a tab', changed('  name: pi1', '\tname: pi1'), 2],
    ['a quote without end', changed('name: pi2', 'name: "pi2'), 13],
    ['two documents', `${agentText}---\nnode: {}\n`, 13],
    ['a tag', changed('name: pi2', 'name: !secret pi2'), 8],
    ['an escape that is none', changed('name: pi2', 'name: "\\q"'), 8],
  ])('%s', (_what, text, line) => {
    const [problem] = agentProblems(text);
    expect(problem?.slice(0, 3)).toEqual([line, '', 'syntax']);
    expect(problem?.[3]).toContain('is not readable as YAML: ');
  });

  test('an alias is refused where it stands: values are written out', () => {
    const text = changed('address: 192.168.1.12', 'address: *first').replace(
      'address: 192.168.1.11',
      'address: &first 192.168.1.11',
    );
    expect(agentProblems(text)).toEqual([
      [
        9,
        'cluster.nodes[1].address',
        'alias',
        'aliases (*name) are not read - write the value out',
      ],
    ]);
  });

  test('a bomb of aliases is not unfolded', () => {
    const layers = Array.from({ length: 30 }, (_, n) => {
      const inner = n === 0 ? '"x"' : Array.from({ length: 10 }, () => `*l${n - 1}`).join(', ');
      return `l${n}: &l${n} [${inner}]\n`;
    });
    const problems = agentProblems(`${layers.join('')}${agentText}`);
    expect(problems).toHaveLength(30);
    expect(new Set(problems.map(([, , rule]) => rule))).toEqual(new Set(['unknown-key']));
  });

  test.each(['[', '{a: ', '- ', '? ', '"\n'])('depth: %j over and over', (piece) => {
    const text = piece.repeat(Math.floor(LARGEST_FILE / piece.length / 4));
    expect(agentProblems(text).length).toBeGreaterThan(0);
  });

  test('a file of a megabyte is not even parsed', () => {
    const text = `${agentText}${'# padding\n'.repeat(110_000)}`;
    expect(text.length).toBeGreaterThan(1024 * 1024);
    const words = `has ${text.length} characters, must have at most ${LARGEST_FILE}`;
    expect(agentProblems(text)).toEqual([[1, '', 'syntax', words]]);
  });

  test('random bytes of a key file end in words', () => {
    const bytes = Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 7919) % 256));
    expect(agentProblems(bytes.toString('utf8')).length).toBeGreaterThan(0);
  });
});

test('problems come in the order of lines, and not without end', () => {
  const wrong = Array.from({ length: 80 }, (_, n) => `wrong_${n}: ${n}\n`).join('');
  const problems = agentProblems(`${wrong}${agentText}`);
  expect(problems).toHaveLength(MOST_PROBLEMS);
  expect(problems.map(([line]) => line)).toEqual(Array.from({ length: 50 }, (_, n) => n + 1));
});

test('one problem is one line with file, line and key', () => {
  const [problem] = problemsOf(loadAgentSettings(changed('pi2\n', 'Pi2\n'), FILE));
  if (problem === undefined) throw new TypeError('nothing was found');
  expect(problemLine(problem)).toBe(
    '/etc/baton/agent.yaml:8: cluster.nodes[1].name: is the text "Pi2", must be a node name: ' +
      'lowercase letters, digits and dashes, 1 to 63 characters, a dash at neither end',
  );
});

test('the coordinator refuses alike, and does not know the agent’s sections', () => {
  const text = `${agentText}lease:\n  lease_duration_ms: 8000\n`;
  const [problem] = problemsOf(loadCoordinatorSettings(text, '/etc/baton/coordinator.yaml'));
  expect(problem).toMatchObject({ line: 13, key: 'lease', rule: 'unknown-key' });
});
