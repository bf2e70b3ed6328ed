/** The gate, run for real on tiers that are fakes: what its last lines tell. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const PROGRAMS = [
  ...['npm', 'go', 'biome', 'tsc', 'shellcheck'],
  ...['mosquitto_sub', 'systemd-nspawn', 'mmdebstrap', 'nft'],
];
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'baton-gate-'));
  for (const one of ['.ci', 'programs', 'test/control-plane/real', 'systemd']) {
    mkdirSync(join(folder, one), { recursive: true });
  }
  copyFileSync(join(import.meta.dirname, '../../../.ci/run'), join(folder, '.ci/run'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the gate says after the line that opens its last tier. `shell` is each program's script. */
const lastLines = (shell: string): string[] => {
  for (const program of PROGRAMS) {
    writeFileSync(join(folder, 'programs', program), `#!/bin/bash\n${shell}\n`, { mode: 0o755 });
  }
  writeFileSync(join(folder, 'programs/git'), '#!/bin/sh\necho 1a2b3c4\n', { mode: 0o755 });
  const { stdout } = spawnSync(join(folder, '.ci/run'), {
    env: { PATH: `${join(folder, 'programs')}:${process.env.PATH}` },
    encoding: 'utf8',
  });
  return (stdout.split('== shellcheck\n')[1] ?? '').trimEnd().split('\n');
};

test('each tier that failed is named, with the lines that name its failures', () => {
  const lines = lastLines(String.raw`
case "$(basename "$0") $*" in
  'npm test')
    printf ' \033[31m×\033[39m a seed 2ms\nnoise\n FAIL  a.test.ts > a seed\n8 passed, 1 failed\n'
    exit 1 ;;
  *--mutants*)
    echo 'vote-left-out   SURVIVED 9 schedules'; echo '3 passed, 1 failed'; exit 1 ;;
  *--rounds*)
    for round in {1..20}; do echo "round $round WRONG: late"; done; echo '0 passed, 20 failed' ;;
  *--machines*) echo one; echo 'it broke'; exit 1 ;;
  *test:real*) echo '1 passed, 0 failed' ;;
  'tsc '*) exit 1 ;;
esac`);
  expect(lines).toEqual([
    'FAILED: npm test',
    ' × a seed 2ms',
    ' FAIL  a.test.ts > a seed',
    'FAILED: npm run sim, mutants',
    'vote-left-out   SURVIVED 9 schedules',
    'FAILED: npm run lab',
    'one',
    'it broke',
    'FAILED: npm run lab, rounds',
    ...Array.from({ length: 15 }, (_, index) => `round ${index + 1} WRONG: late`),
    'FAILED: types',
    '17 passed, 24 failed',
  ]);
});

test('nothing but the sum where nothing failed', () => {
  expect(lastLines("echo '2 passed, 0 failed'").slice(-1)).toEqual(['16 passed, 0 failed']);
});
