/**
 * Runs one npm script with everything it needs: `npm ci` when the lock file has changed, and
 * Node 24 from the lock file's own package. Plain JavaScript for any Node from 18 on, because it
 * runs before either is there.
 *
 *   node test/launch.mjs SCRIPT [ARG ...]
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const bin = (name) => join(modules, '.bin', name);

/** Ends with a clear line. Exit status 2: the call or the machine is wrong, no test failed. */
const refuse = (line) => {
  console.error(`error: ${line}`);
  process.exit(2);
};

/** Installs what the lock file names, once per lock file. */
const install = () => {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex');
  const stamp = join(modules, '.baton-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  const began = Date.now();
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, encoding: 'utf8' });
  if (npm.status !== 0) {
    refuse(`npm ci failed - nothing can run without the packages - its words:\n${npm.stderr}`);
  }
  writeFileSync(stamp, digest);
  console.log(`installed the packages of package-lock.json in ${(Date.now() - began) / 1000} s`);
};

/** Node 24: the packaged binary, else the running one when it is new enough. */
const findNode = () => {
  const packaged = join(modules, `node-linux-${process.arch}`, 'bin', 'node');
  if (existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  return refuse(
    `no Node 24 for ${process.platform}-${process.arch} in node_modules, and the running one is ` +
      `${process.version} - install Node 24 or newer and try again`,
  );
};

/** Runs a program with our terminal; signals reach it too, being of one process group. */
const run = (command, args) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    const wait = () => undefined;
    process.on('SIGINT', wait);
    child.on('error', (error) => refuse(`${command} did not start: ${error.message}`));
    child.on('close', (code, signal) => {
      process.off('SIGINT', wait);
      resolve(signal ? 1 : code);
    });
  });

/** What failed, a line each with its reason: long after vitest has told it, and beside the sum. */
const tellFailed = (report) => {
  for (const { name, message, assertionResults } of report?.testResults ?? []) {
    const file = relative(root, name);
    const failed = assertionResults.filter((test) => test.status === 'failed');
    for (const test of failed) {
      console.log(`FAIL ${file} > ${test.fullName}: ${firstLine(test.failureMessages[0])}`);
    }
    if (message && failed.length === 0) console.log(`FAIL ${file}: ${firstLine(message)}`);
  }
};

const firstLine = (text = '') => text.split('\n', 1)[0];

/** One run of vitest: how many tests passed and failed, and what there is to say of them. */
const vitest = async (node, args) => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
  const report = join(folder, 'report.json');
  const program = join(modules, 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${report}`];
  const status = await run(node, [program, 'run', ...reporters, ...args]);
  const counts = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
  rmSync(folder, { recursive: true });
  const passed = counts?.numPassedTests ?? 0;
  // A suite that broke before its first test has no failed test of its own to show.
  const broken = Math.max(counts?.numFailedTests ?? 0, status === 0 && passed > 0 ? 0 : 1);
  // In the gate, a test that could not run has failed.
  const skipped =
    process.env.BATON_SKIPPED_FAILS === undefined ? 0 : (counts?.numPendingTests ?? 0);
  if (skipped > 0) console.log(`${skipped} tests did not run`);
  const failed = broken + skipped;
  return { passed, failed, tell: () => tellFailed(counts) };
};

/** Closes with the line that adds everything up, and gives the exit status. */
const close = ({ passed, failed, tell }) => {
  tell?.();
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
};

/** Fresh seeds, printed; the gate draws them from the commit, so that a run can be run again. */
const seedWords = () =>
  process.env.BATON_SIM_SEED === undefined ? [] : ['--seed', process.env.BATON_SIM_SEED];

/** One run of the simulator counts as one test; it prints its schedules and seeds itself. */
const simulate = async (node, schedules) =>
  (await run(node, ['test/sim/main.ts', '--schedules', String(schedules), ...seedWords()])) === 0
    ? { passed: 1, failed: 0 }
    : { passed: 0, failed: 1 };

const sum = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  tell: a.tell,
});

/** The README's test command: every test of vitest, then fresh schedules of the simulator. */
const test = async (node, args) => {
  const tests = await vitest(node, args);
  return close(args.length > 0 ? tests : sum(tests, await simulate(node, 50_000)));
};

const check = async (node) =>
  (await run(bin('biome'), ['ci', '.'])) ||
  (await run(bin('tsc'), ['--noEmit', '-p', '.'])) ||
  (await run(node, ['shared/config/generate.ts', '--check'])) ||
  close(sum(await vitest(node, []), await simulate(node, 1000)));

const script =
  (file, ...first) =>
  (node, args) =>
    run(node, [file, ...first, ...args]);

const scripts = {
  test,
  'test:real': async (node, args) =>
    close(await vitest(node, ['--config', 'vitest.real.config.ts', ...args])),
  format: () => run(bin('biome'), ['check', '--write', '.']),
  check,
  build: script('test/build.mjs'),
  gen: script('shared/config/generate.ts'),
  'gen:check': script('shared/config/generate.ts', '--check'),
  demo: script('test/lab/demo.ts'),
  sim: script('test/sim/main.ts'),
  lab: script('test/lab/machines/main.ts'),
  bench: script('test/bench/main.ts'),
  'control-plane': script('test/control-plane/real/build.mjs'),
};

const [name = '', ...args] = process.argv.slice(2);
if (!(name in scripts)) {
  refuse(`there is no script "${name}" - these are: ${Object.keys(scripts).join(', ')}`);
}
install();
process.exit(await scripts[name](findNode(), args));
