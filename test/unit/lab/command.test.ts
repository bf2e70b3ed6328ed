/** Exit status and last words of the lab's commands, as a shell sees them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const parts = join(import.meta.dirname, '../../..');
const imports = [
  `import { runCommand } from '${parts}/test/lab/command.ts';`,
  `import { BatonError } from '${parts}/shared/errors/baton-error.ts';`,
  "import { spawnSync } from 'node:child_process';",
].join('\n');

interface Ended {
  readonly code: number | null;
  readonly said: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves once the command has said this. */
  saying(words: string): Promise<void>;
}

/** A command in a process group of its own, as a terminal starts it. */
const command = (main: string): Running => {
  const script = `${imports}\nawait runCommand(async (signal) => { ${main} });`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { detached: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  return {
    child,
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, said })),
    saying: async (words) => {
      while (!said.includes(words)) await once(child.stdout, 'data');
    },
  };
};

test('what it resolves with is the exit status', async () => {
  expect(await command('return 7;').ended).toEqual({ code: 7, said: '' });
});

test('a mistake in the call is told without a stack', async () => {
  const wrong = "throw new BatonError('settings-invalid', 'usage', 'no such bench');";
  expect(await command(wrong).ended).toEqual({ code: 2, said: 'error: no such bench\n' });
});

test('a bug is told with its stack', async () => {
  const { code, said } = await command("throw new TypeError('nobody expected this');").ended;
  expect(code).toBe(1);
  expect(said).toMatch(/^error: TypeError: nobody expected this\n +at /);
});

test('a signal ends it, and is named', async () => {
  const wait =
    "console.log('waiting'); const beat = setInterval(() => {}, 9); " +
    "await new Promise((_, no) => signal.addEventListener('abort', no)).finally(() => " +
    'clearInterval(beat));';
  const running = command(wait);
  await running.saying('waiting');
  running.child.kill('SIGTERM');
  const { code, said } = await running.ended;
  expect(code).toBe(130);
  expect(said).toContain('ended by SIGTERM; nothing is left behind\n');
});

test('a Ctrl-C that a program of the command died of is no failure of that program', async () => {
  const build =
    "const program = ['-c', 'echo building; exec sleep 60'];" +
    "const { signal: died } = spawnSync('sh', program, { stdio: 'inherit' });" +
    "throw new TypeError('the build died of ' + died);";
  const running = command(build);
  await running.saying('building');
  process.kill(-(running.child.pid ?? 0), 'SIGINT');
  const { code, said } = await running.ended;
  expect(said).toContain('ended by SIGINT');
  expect(code).toBe(130);
});
