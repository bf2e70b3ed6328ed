/** One suite for the port of programs: against the fake and against real ones. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { OUTPUT_LIMIT, systemProcesses } from '../../shared/adapters/system-processes.ts';
import { fakeProcesses } from '../../shared/ports/fakes/fake-processes.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import { milliseconds, seconds } from '../../shared/time/duration.ts';

/** Shell programs; the fake gets the same behaviour under the same name. */
const scripts = {
  speaks: 'echo out; echo err >&2; exit 3',
  repeats: 'cat',
  tells: 'echo "$LC_ALL $BATON_TEST"',
  hangs: 'sleep 60 & sleep 60',
  waits: 'while read -r line; do :; done; exec sleep 60',
} as const;
type Name = keyof typeof scripts;

interface Subject {
  readonly processes: Processes;
  readonly command: (name: Name) => readonly [string, string[]];
}

const realSubject = (): Subject => ({
  processes: systemProcesses(),
  command: (name) => ['/bin/sh', ['-c', scripts[name]]],
});

const fakeSubject = (): Subject => {
  const processes = fakeProcesses();
  processes.install('speaks', () => ({ stdout: 'out\n', stderr: 'err\n', code: 3 }));
  processes.install('repeats', (call) => ({ stdout: call.input }));
  processes.install('tells', ({ environment }) => ({
    stdout: `${environment.LC_ALL} ${environment.BATON_TEST}\n`,
  }));
  processes.install('hangs', () => 'hangs');
  processes.install('waits');
  return { processes, command: (name) => [name, []] };
};

const implementations: readonly [string, () => Subject][] = [
  ['system processes', realSubject],
  ['fake processes', fakeSubject],
];

describe.each(implementations)('%s', (_name, make) => {
  const run = (name: Name, options: Partial<Parameters<Processes['run']>[2]> = {}) => {
    const { processes, command } = make();
    return processes.run(...command(name), { timeout: seconds(120), ...options });
  };

  test('a program that fails is a result', async () => {
    expect(await run('speaks')).toEqual({
      code: 3,
      signal: null,
      stdout: 'out\n',
      stderr: 'err\n',
      timedOut: false,
    });
  });

  test('input reaches the program, and one that ignores it is no error', async () => {
    const text = 'ä line\n'.repeat(50_000);
    expect((await run('repeats', { input: text })).stdout).toBe(text);
    expect((await run('speaks', { input: text })).code).toBe(3);
  });

  test('LC_ALL is C, and the environment can be added to', async () => {
    const { stdout } = await run('tells', { environment: { BATON_TEST: 'added' } });
    expect(stdout).toBe('C added\n');
  });

  test('a program that hangs is killed with its children', async () => {
    const result = await run('hangs', { timeout: milliseconds(100) });
    expect(result).toMatchObject({ code: null, signal: 'SIGKILL', timedOut: true });
  });

  test('a program that is not there cannot be started', async () => {
    const { processes } = make();
    const missing = '/no/such/program';
    await expect(processes.run(missing, [], { timeout: seconds(5) })).rejects.toMatchObject({
      code: 'process-failed',
      kind: 'operational',
      context: { command: missing },
    });
    expect(() => processes.start(missing, [], {})).toThrow('cannot start /no/such/program');
  });

  test('a started program takes lines until it is killed', async () => {
    const { processes, command } = make();
    const child = processes.start(...command('waits'), {});
    expect(child.write('one')).toBe(true);
    expect(processes.signal(child.pid, 'probe')).toBe(true);
    const born = processes.startTicks(child.pid);
    expect(born).toMatch(/^\d+$/);
    expect(processes.startTicks(child.pid)).toBe(born);
    child.kill('SIGKILL');
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(child.write('two')).toBe(false);
    expect(processes.signal(child.pid, 'probe')).toBe(false);
    expect(processes.startTicks(child.pid)).toBeNull();
    child.kill('SIGKILL');
  });

  test('a signal by number reaches a program; a dead one is told apart', async () => {
    const { processes, command } = make();
    const child = processes.start(...command('waits'), {});
    expect(processes.signal(child.pid, 'SIGTERM')).toBe(true);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(processes.signal(child.pid, 'SIGTERM')).toBe(false);
  });

  test('a detached program has no input', async () => {
    const { processes, command } = make();
    const child = processes.start(...command('waits'), { detached: true });
    expect(child.write('one')).toBe(false);
    child.kill('SIGKILL');
    await child.exited;
  });
});

describe('system processes alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-processes-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const processes = systemProcesses();
  const shell = (script: string, options: Parameters<Processes['start']>[2]) =>
    processes.start('/bin/sh', ['-c', script], options);

  test('output beyond the limit is dropped and does not block the program', async () => {
    const args = ['-c', `head -c ${OUTPUT_LIMIT * 3} /dev/zero; echo done >&2`];
    const result = await processes.run('/bin/sh', args, { timeout: seconds(120) });
    expect(result.stdout.length).toBe(OUTPUT_LIMIT);
    expect(result.stderr).toBe('done\n');
  });

  test('a grandchild that holds the output open does not keep run waiting', async () => {
    const result = await processes.run('/bin/sh', ['-c', 'sleep 60 & echo $!'], {
      timeout: seconds(120),
    });
    const grandchild = Number(result.stdout);
    expect(processes.signal(grandchild, 'SIGKILL')).toBe(true);
    expect(result).toMatchObject({ code: 0, timedOut: false });
  });

  test('the log is appended to, and the working directory is taken', async () => {
    const logFile = join(folder, 'log');
    for (const word of ['one', 'two']) {
      const script = `echo ${word}; pwd >&2; exit 4`;
      const child = shell(script, { logFile, workingDirectory: folder });
      expect(await child.exited).toEqual({ code: 4, signal: null });
    }
    expect(readFileSync(logFile, 'utf8')).toBe(`one\n${folder}\ntwo\n${folder}\n`);
    expect(() => shell('exit 0', { logFile: join(folder, 'no', 'log') })).toThrow(
      'it is not there',
    );
  });

  test.runIf(process.platform === 'linux')('a zombie has ended', async () => {
    // The shell never collects its child, as a container's first process may not.
    const script = 'sleep 0 & echo $! ; exec sleep 30';
    const logFile = join(folder, 'zombie');
    const parent = shell(script, { logFile });
    const patient = { timeout: 120_000 };
    await expect.poll(() => readFileSync(logFile, 'utf8'), patient).toMatch(/^\d+\n$/);
    const child = Number(readFileSync(logFile, 'utf8'));
    await expect.poll(() => processes.signal(child, 'probe'), patient).toBe(false);
    expect(readFileSync(`/proc/${child}/stat`, 'utf8')).toContain(') Z ');
    parent.kill('SIGKILL');
    await parent.exited;
  });

  test.each([0, 1, -5, 1.5])('signal to pid %s is our own bug, not a broadcast', (pid) => {
    expect(() => processes.signal(pid, 'SIGKILL')).toThrow('one process');
  });
});

test('the fake shows what was asked of it', async () => {
  const processes = fakeProcesses();
  processes.install('k3s');
  const child = processes.start('k3s', ['server'], { environment: { A: 'b' } });
  const [started] = processes.started;
  if (started === undefined) throw new TypeError('nothing was started');
  started.stubborn = true;
  child.kill('SIGTERM');
  child.write('line');
  expect(processes.signal(child.pid, 'probe')).toBe(true);
  started.end(1);
  expect(await child.exited).toEqual({ code: 1, signal: null });
  expect([started.signals, started.lines]).toEqual([['SIGTERM'], ['line']]);
  expect(processes.calls).toEqual([
    { command: 'k3s', args: ['server'], environment: { LC_ALL: 'C', A: 'b' }, input: '' },
  ]);
});

test.each([
  ['answers', 'onOutput', 'echo "bad $x"'],
  ['complaints', 'onErrors', 'echo "bad $x" >&2'],
] as const)('a started program’s %s are told when somebody asks for them', async (_, on, echo) => {
  const told = new Promise<string>((resolve) => {
    const args = ['-c', `read -r x; ${echo}`];
    systemProcesses()
      .start('/bin/sh', args, { [on]: resolve })
      .write('line');
  });
  expect(await told).toBe('bad line\n');
});
