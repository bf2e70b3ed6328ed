/** What the agent may write to, asked of the kernel without writing. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeProblem } from '../../../agent/adapters/write-access.ts';

const canMount = spawnSync('unshare', ['-rm', 'true']).status === 0;

test('a directory that is still to be made belongs to its nearest parent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-access-'));
  expect(writeProblem(join(folder, 'mnt/ssd/k3s'))).toBeNull();
  expect(writeProblem(folder)).toBeNull();
  rmSync(folder, { recursive: true });
});

test.runIf(canMount)('a read-only file system is told, root or not', () => {
  const module = join(import.meta.dirname, '../../../agent/adapters/write-access.ts');
  const script = `const { writeProblem } = await import('${module}');
    for (const path of ['/mnt', '/mnt/ssd/k3s', '/dev/shm']) {
      const problem = writeProblem(path);
      console.log(problem?.code ?? 'writable', problem?.context.path ?? '');
    }`;
  const mount = 'mount -t tmpfs -o ro tmpfs /mnt && exec "$@"';
  const node = [process.execPath, '--input-type=module', '-e', script];
  const { stdout } = spawnSync('unshare', ['-rm', 'sh', '-c', mount, 'sh', ...node]);
  const readOnly = 'read-only-file-system /mnt';
  expect(String(stdout).trim().split('\n')).toEqual([readOnly, readOnly, 'writable']);
});
