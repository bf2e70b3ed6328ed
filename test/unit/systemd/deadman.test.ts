/** The shipped shell scripts, run for real: the lease file's every doubtful form must kill. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const units = join(import.meta.dirname, '../../../systemd');
const linux = process.platform === 'linux';
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'baton-deadman-'));
  writeFileSync(join(directory, 'boot-id'), 'this-boot\n');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const bootMilliseconds = (): number =>
  Math.round(Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1000);

/** Exit status of one look of the dead man's switch and of the gate, and whether it killed. */
const look = (
  lease: string | null,
): { deadman: number | null; gate: number | null; killed: boolean } => {
  const file = join(directory, 'lease');
  rmSync(file, { force: true });
  if (lease !== null) writeFileSync(file, lease);
  const places = [file, join(directory, 'boot-id')];
  const deadman = spawnSync(join(units, 'baton-deadman.sh'), [...places, 'echo', 'killed'], {
    env: { PATH: process.env.PATH, BATON_DEADMAN_ONCE: '1' },
    encoding: 'utf8',
  });
  const gate = spawnSync(join(units, 'baton-gate.sh'), places, { encoding: 'utf8' });
  return { deadman: deadman.status, gate: gate.status, killed: deadman.stdout.includes('killed') };
};

const closed = { deadman: 3, gate: 1, killed: true };

describe.runIf(linux)('dead man’s switch and gate', () => {
  test('a lease of this boot with time left keeps the server', () => {
    const lease = `boot_id=this-boot\ndeadline_ms=${bootMilliseconds() + 60_000}\n`;
    expect(look(lease)).toEqual({ deadman: 0, gate: 0, killed: false });
  });

  test.each([
    ['no file', () => null],
    ['empty file', () => ''],
    ['deadline passed', () => `boot_id=this-boot\ndeadline_ms=${bootMilliseconds() - 10}\n`],
    ['another boot', () => `boot_id=other\ndeadline_ms=${bootMilliseconds() + 60_000}\n`],
    ['no boot id', () => `deadline_ms=${bootMilliseconds() + 60_000}\n`],
    ['not a number', () => 'boot_id=this-boot\ndeadline_ms=soon\n'],
    ['an absurd number', () => 'boot_id=this-boot\ndeadline_ms=99999999999999999999\n'],
  ])('%s closes the gate and kills', (_name, lease) => {
    expect(look(lease())).toEqual(closed);
  });

  test('kills at once and again for ten looks, then at every tenth', () => {
    const bin = mkdtempSync(join(directory, 'bin-'));
    // A second that takes no time; after the 35th the switch is ended.
    writeFileSync(join(bin, 'sleep'), '#!/bin/sh\necho "$LC_ALL" >>"$LOOKS"\n', { mode: 0o755 });
    const last = '[ "$(wc -l <"$LOOKS")" -lt 35 ] || kill "$PPID"\n';
    appendFileSync(join(bin, 'sleep'), last);
    const looks = join(bin, 'looks');
    const places = [join(directory, 'no-lease'), join(directory, 'boot-id')];
    const seen = spawnSync(join(units, 'baton-deadman.sh'), [...places, 'echo', 'killed'], {
      env: { PATH: `${bin}:${process.env.PATH}`, LOOKS: looks },
      encoding: 'utf8',
    });
    // And with no locale for `sleep` to load.
    expect(readFileSync(looks, 'utf8').trim().split('\n')).toEqual(Array(35).fill('C'));
    // Looks 1 to 10, 20 and 30.
    expect(seen.stdout.trim().split('\n')).toHaveLength(12);
  });

  test('random bytes never keep a server', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (text) => {
        expect(look(text.replaceAll('\0', ''))).toEqual(closed);
      }),
      { numRuns: 20 },
    );
  });

  test('wrong usage is told apart from a closed gate', () => {
    expect(spawnSync(join(units, 'baton-gate.sh'), []).status).toBe(255);
    expect(spawnSync(join(units, 'baton-deadman.sh'), []).status).toBe(2);
  });
});
