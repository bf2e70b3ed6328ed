/** The lab's own process (inside.ts) in namespaces of its own for network, mounts and processes. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The lab ends its machines within this time of a signal; then it is killed. */
const END_LIMIT_MS = 15_000;

/** Resolves with the exit status of inside.ts. Errors: the reason of `stop` when nothing began. */
export const runInside = (planFile: string, stop: AbortSignal): Promise<number> =>
  new Promise((resolve, reject) => {
    // An abort that is over wakes no listener.
    stop.throwIfAborted();
    const inside = join(import.meta.dirname, 'inside.ts');
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', '--'],
        ...['unshare', '--mount', '--propagation', 'private', '--net', '--ipc', '--pid', '--fork'],
        ...['--kill-child=KILL', '--mount-proc', '--'],
        ...[process.execPath, inside, planFile],
      ],
      // A group of its own: a Ctrl-C in the terminal is for this process, which passes it on.
      { stdio: 'inherit', detached: true },
    );
    stop.addEventListener('abort', () => {
      // unshare waits for its child and passes no signal on; the group reaches both.
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS).unref();
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
