/** The completion script as bash runs it: what TAB would offer. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { script } from '../../../agent/cli/commands/completion.ts';

/** The words offered at the end of `line`; the last word is the one being typed. */
function offered(...line: readonly string[]): string[] {
  const ask = `COMP_CWORD=${line.length - 1}; _baton; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const words = line.map((word) => `'${word}'`).join(' ');
  const text = [...script(), `COMP_WORDS=(${words})`, ask].join('\n');
  const shell = spawnSync('bash', ['--norc', '-euc', text], { encoding: 'utf8', timeout: 100_000 });
  expect(shell.stderr).toBe('');
  return shell.stdout.split('\n').filter((word) => word !== '');
}

test('verbs, then the options of the verb', () => {
  expect(offered('baton', 'st')).toEqual(['status']);
  expect(offered('baton', 'help', 'ke')).toEqual(['keygen']);
  expect(offered('baton', 'status', '--w')).toEqual(['--watch']);
  expect(offered('baton', 'keygen', '--')).toContain('--for');
  expect(offered('baton', 'why', '--')).not.toContain('--for');
});

test('files after an option that takes one', () => {
  expect(offered('baton', 'keygen', '--out', '/etc/host')).toContain('/etc/hosts');
});

test('a verb that does not exist offers nothing', () => {
  expect(offered('baton', 'nosuch', '--')).toEqual([]);
});
