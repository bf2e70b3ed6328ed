#!/usr/bin/env node
/**
 * Bundles each program of baton into one file: dist/baton-agent.mjs, dist/baton-coordinator.mjs
 * and dist/baton.mjs (the command). `npm run build -- [--out FOLDER] [PROGRAM ...]`.
 *
 * One file loads faster from an SD card than hundreds, and keeps what npm installed off the
 * image. What ships is what is tested: the bundle is the same source with types taken out, not
 * minified, so that a trace from a Pi names the functions one finds here.
 * Does not check types (`npm run check` does) and does not contain Node.
 *
 * Exit status: 0 built, 1 not; a bundle that would need a file beside it is not built.
 * rolldown gives packages that still call `require` a way to Node's own modules by itself.
 */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';

const root = dirname(import.meta.dirname);

/** Program → its entry. */
const programs = {
  'baton-agent': 'agent/main.ts',
  'baton-coordinator': 'coordinator/main.ts',
  baton: 'agent/cli/main.ts',
};

const builtin = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]));

/**
 * Bundles one program into `file`; returns its path and size. Throws rolldown's own error, which
 * says where.
 */
async function build(entry, file) {
  const outside = new Set();
  const bundle = await rolldown({
    input: join(root, entry),
    platform: 'node',
    external: (id) => builtin.has(id),
    onLog: (level, log, handle) => {
      if (log.code === 'UNRESOLVED_IMPORT') outside.add(log.message);
      handle(level === 'warn' ? 'debug' : level, log);
    },
  });
  try {
    const { output } = await bundle.write({
      file,
      format: 'esm',
      codeSplitting: false,
      // Node keeps the source in memory: one byte a character instead of two, and no comments
      // (3.2 MB of an agent's heap became 1.4).
      charset: 'ascii',
      comments: false,
    });
    const foreign = output.flatMap((one) => (one.type === 'chunk' ? one.imports : []));
    for (const one of foreign.filter((id) => !builtin.has(id))) outside.add(one);
    if (output.length !== 1) outside.add(`${output.length - 1} more files`);
    chmodSync(file, 0o755);
    return {
      file: relative(process.cwd(), file),
      bytes: statSync(file).size,
      outside: [...outside],
    };
  } finally {
    await bundle.close();
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: 'string', default: join(root, 'dist') } },
});
const unknown = positionals.filter((name) => !Object.hasOwn(programs, name));
if (unknown.length > 0) {
  console.error(`error: no program ${unknown.join(', ')}: ${Object.keys(programs).join(', ')}`);
  process.exit(1);
}
mkdirSync(values.out, { recursive: true });
for (const [name, entry] of Object.entries(programs)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  try {
    const { file, bytes, outside } = await build(entry, join(values.out, `${name}.mjs`));
    console.log(`${file} ${Math.round(bytes / 1024)} KiB`);
    if (outside.length === 0) continue;
    console.error(`error: ${file} would need more than itself:\n  ${outside.join('\n  ')}`);
  } catch (error) {
    console.error(`error: ${name} was not built: ${error.message}`);
  }
  process.exitCode = 1;
}
