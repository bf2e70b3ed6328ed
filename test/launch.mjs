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
import { dirname, join } from 'node:path';
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

/** Unit, contract, golden and tidy tests; closes with one line that adds them up. */
const test = async (node, args) => {
  const folder = mkdtempSync(join(tmpdir(), 'baton-test-'));
  const report = join(folder, 'report.json');
  const vitest = join(modules, 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile=${report}`];
  const status = await run(node, [vitest, 'run', ...reporters, ...args]);
  const sum = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : null;
  rmSync(folder, { recursive: true });
  const passed = sum?.numPassedTests ?? 0;
  // A suite that broke before its first test has no failed test of its own to show.
  const failed = Math.max(sum?.numFailedTests ?? 0, status === 0 && passed > 0 ? 0 : 1);
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
};

const scripts = {
  test,
  'test:real': (node, args) => test(node, ['--config', 'vitest.real.config.ts', ...args]),
  format: () => run(bin('biome'), ['check', '--write', '.']),
  check: async (node) =>
    (await run(bin('biome'), ['ci', '.'])) ||
    (await run(bin('tsc'), ['--noEmit', '-p', '.'])) ||
    (await test(node, [])),
  'control-plane': (node, args) => run(node, ['test/control-plane/real/build.mjs', ...args]),
};

const [name = '', ...args] = process.argv.slice(2);
if (!(name in scripts)) {
  refuse(`there is no script "${name}" - these are: ${Object.keys(scripts).join(', ')}`);
}
install();
process.exit(await scripts[name](findNode(), args));
