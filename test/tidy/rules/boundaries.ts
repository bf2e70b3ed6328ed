/**
 * What may touch the world, and who may import whom. Source: STYLE "Pure core, thin shell",
 * DESIGN section 8.
 */
import { dirname, join } from 'node:path/posix';
import { COMPUTED, type Finding, findInCode, type Import, type Source } from '../source.ts';

const isProduct = (path: string): boolean => /^(?:agent|coordinator|shared)\//.test(path);

/** Folders whose files may use raw timers, clocks, randomness, files and processes. */
const mayTouchTheWorld = (path: string): boolean =>
  !isProduct(path) || /(?:^|\/)adapters\//.test(path) || path.startsWith('shared/net/');

const rawCalls = new RegExp(
  [
    String.raw`(?<![.\w$])(?:(?:globalThis\s*\.\s*)?set(?:Timeout|Interval|Immediate)`,
    String.raw`Date\s*\.\s*now`,
    String.raw`new\s+Date\s*\(\s*\)`,
    String.raw`Math\s*\.\s*random)(?![\w$])`,
  ].join('|'),
  'g',
);
const rawModules = /^(?:node:)?(?:child_process|fs|timers)(?:\/promises)?$/;

/** Raw timers, clocks, randomness, files and processes only in adapters. */
export function rawAccess(source: Source): Finding[] {
  if (mayTouchTheWorld(source.path)) return [];
  const rule = 'only-in-adapters';
  const calls = findInCode(source, rule, rawCalls, (match) => `${match}: take a port instead`);
  const modules = source.imports
    .filter((one) => rawModules.test(one.from) && !one.typeOnly)
    .map((one) => finding(rule, source, one, `${one.from}: take a port instead`));
  return [...calls, ...modules];
}

/** Any other descriptor of the live database that is closed drops SQLite's locks. */
export function liveDatabase(source: Source): Finding[] {
  if (!isProduct(source.path) || source.path.startsWith('agent/adapters/datastore/')) return [];
  return source.strings
    .filter(({ value }) => /(?:^|\/)state\.db/.test(value))
    .map(({ line }) => ({
      rule: 'live-database',
      path: source.path,
      line,
      text: 'only agent/adapters/datastore/ knows the files of the database (POSIX locks)',
    }));
}

const finding = (rule: string, source: Source, one: Import, text: string): Finding => ({
  rule,
  path: source.path,
  line: one.line,
  text,
});

/** Names of the packages that may be imported: by what ships, and by tests and tools. */
export interface Packages {
  readonly product: readonly string[];
  readonly tools: readonly string[];
}

/** Files that import what is named at run time. */
const computedImports: ReadonlySet<string> = new Set([
  // Reads each daemon's declaration; a literal import would tie `shared` to the daemons.
  'shared/config/generate.ts',
]);

/** Who may import whom, and no path alias. */
export function importRules(source: Source, packages: Packages): Finding[] {
  return source.imports.flatMap((one) => {
    if (one.from === COMPUTED && computedImports.has(source.path)) return [];
    const reason = one.from.startsWith('.')
      ? relativeReason(source.path, one)
      : packageReason(source.path, one, packages);
    return reason === null ? [] : [finding('imports', source, one, `${one.from}: ${reason}`)];
  });
}

const top = (path: string): string => path.split('/', 1)[0] ?? '';
const coreOf = (path: string): string | null =>
  /^(?:agent|coordinator)\/core\//.exec(path)?.[0] ?? null;

/** Null when allowed. */
function relativeReason(path: string, one: Import): string | null {
  const target = join(dirname(path), one.from);
  if (target.startsWith('..')) return 'leaves the project';
  const [from, to] = [top(path), top(target)];
  const core = coreOf(path);
  if (from === 'shared' && to !== 'shared' && isProduct(target)) return 'shared knows no daemon';
  const daemons = ['agent', 'coordinator'];
  if (daemons.includes(from) && daemons.includes(to) && from !== to) {
    return 'the daemons never import each other';
  }
  if (isProduct(path) && !isProduct(target)) return 'what ships imports no tests and no tools';
  if (core !== null && !target.startsWith(core) && !coreMayUse(target, one)) {
    return 'core imports only core and the types, times and errors of shared';
  }
  if (!/\.(?:ts|mjs|json)$/.test(target)) return 'needs its file name extension';
  return null;
}

const coreMayUse = (target: string, one: Import): boolean =>
  target.startsWith('shared/') && (one.typeOnly || /^shared\/(?:time|errors)\//.test(target));

function packageReason(path: string, one: Import, packages: Packages): string | null {
  if (coreOf(path) !== null) return 'core imports no package and no part of Node';
  if (one.from.startsWith('node:')) return null;
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(one.from)?.[0] ?? one.from;
  if (packages.product.includes(name)) return null;
  if (!packages.tools.includes(name)) return 'neither a path, nor a package of package.json';
  return isProduct(path) ? 'what ships imports only "dependencies"' : null;
}
