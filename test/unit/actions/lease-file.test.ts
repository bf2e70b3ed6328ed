/** The lease file that the agent writes, judged by the shell scripts that ship. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { formatLeaseFile, type LeaseFile } from '../../../agent/actions/lease-file.ts';
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { instant } from '../../../shared/time/duration.ts';

const gate = join(import.meta.dirname, '../../../systemd/baton-gate.sh');
const lease: LeaseFile = { bootId: 'b00-1', owner: 'pi2', epoch: 3, deadline: instant(1234.9) };

test('the deadline is rounded down', () => {
  expect(formatLeaseFile(lease)).toBe('boot_id=b00-1\nowner=pi2\nepoch=3\ndeadline_ms=1234\n');
});

test.each([
  ['no epoch', { ...lease, epoch: 0 }],
  ['a deadline that is no number', { ...lease, deadline: instant(Number.NaN) }],
  ['a deadline without end', { ...lease, deadline: instant(Number.POSITIVE_INFINITY) }],
  ['a boot id with a line end', { ...lease, bootId: 'a\nb' }],
])('%s is our own bug and is never written', (_name, broken) => {
  try {
    formatLeaseFile(broken);
    expect.unreachable('it was written');
  } catch (error) {
    expect(isBatonError(error) && error.kind).toBe('invariant');
  }
});

describe.runIf(process.platform === 'linux')('the shipped gate', () => {
  let directory = '';
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'baton-lease-'));
    writeFileSync(join(directory, 'boot-id'), 'b00-1\n');
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each([
    ['opens before the deadline', 60_000, 'b00-1', 0],
    ['is shut after it', -20, 'b00-1', 1],
    ['is shut after a reboot', 60_000, 'b00-2', 1],
  ])('%s', (_name, left, bootId, status) => {
    const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000;
    const file = join(directory, 'lease');
    writeFileSync(file, formatLeaseFile({ ...lease, bootId, deadline: instant(uptime + left) }));
    expect(spawnSync(gate, [file, join(directory, 'boot-id')]).status).toBe(status);
  });
});
