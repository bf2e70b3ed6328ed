/**
 * What package.json, its lock file and the documents promise each other. Source: STYLE
 * "Documents"; the lock file carries hashes and no addresses, so that any registry serves it.
 */
import type { Finding, TextFile } from '../source.ts';

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>;
  readonly imports?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

interface LockEntry {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly libc?: readonly string[];
}

/** Optional, and never installed on a Pi or in CI, both Linux with glibc. */
const elsewhere = ({ optional, os, libc }: LockEntry): boolean =>
  optional === true && (os?.includes('linux') === false || libc?.includes('glibc') === false);

/**
 * No `resolved`: no address, no dependency from anywhere but the registry. Each package has a hash,
 * except optional ones of other systems, which not every registry keeps.
 */
export function lockFile({ path, text }: TextFile): Finding[] {
  const rule = 'lock-file';
  const { packages = {} } = JSON.parse(text) as {
    packages?: Record<string, LockEntry>;
  };
  return Object.entries(packages).flatMap(([name, entry]) => {
    if (entry.resolved !== undefined)
      return [{ rule, path, line: 0, text: `${name} has an address` }];
    const proven = name === '' || entry.link === true || entry.integrity !== undefined;
    return !proven && !elsewhere(entry)
      ? [{ rule, path, line: 0, text: `${name} has no hash` }]
      : [];
  });
}

const exact = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

/** Exact versions, no path alias. */
export function manifest({ path, text }: TextFile): Finding[] {
  const rule = 'manifest';
  const found = JSON.parse(text) as Manifest;
  const { dependencies, devDependencies, optionalDependencies } = found;
  const versions = { ...dependencies, ...devDependencies, ...optionalDependencies };
  const loose = Object.entries(versions)
    .filter(([, version]) => !exact.test(version))
    .map(([name, version]) => ({ rule, path, line: 0, text: `${name} is not pinned: ${version}` }));
  const alias = { rule, path, line: 0, text: '"imports" makes path aliases' };
  return found.imports === undefined ? loose : [...loose, alias];
}

/** Each script's file is there, and the launcher knows the script it is called with. */
export function npmScripts(
  { path, text }: TextFile,
  read: (path: string) => string | null,
): Finding[] {
  const rule = 'npm-scripts';
  const { scripts = {} } = JSON.parse(text) as Manifest;
  return Object.entries(scripts).flatMap(([name, command]) => {
    const [program, file = '', argument] = command.split(/\s+/);
    const wrong = (words: string): Finding[] => [
      { rule, path, line: 0, text: `${name}: ${words}` },
    ];
    if (program !== 'node') return wrong('does not run under node');
    const launcher = read(file);
    if (launcher === null) return wrong(`${file} is not there`);
    if (!file.endsWith('/launch.mjs')) return [];
    return argument !== undefined && knows(launcher, argument)
      ? []
      : wrong(`${file} does not know "${argument}"`);
  });
}

/** A key of the launcher's table: `test,`, `format:` or `'test:real':`. */
const knows = (launcher: string, name: string): boolean =>
  launcher.split('\n').some((line) => {
    const key = /^\s+(?:'([^']+)'|([\w-]+))\s*(?::|,$)/.exec(line);
    return (key?.[1] ?? key?.[2]) === name;
  });

const commands = /\bnpm (?:run ([\w:-]+)|(test|start))\b/g;

/** Every npm command that a document shows is there. */
export function documentedCommands(document: TextFile, manifestText: string): Finding[] {
  const { scripts = {} } = JSON.parse(manifestText) as Manifest;
  return document.text.split('\n').flatMap((line, at) =>
    [...line.matchAll(commands)]
      .map((match) => match[1] ?? match[2] ?? '')
      .filter((name) => !(name in scripts))
      .map((name) => ({
        rule: 'documented-commands',
        path: document.path,
        line: at + 1,
        text: `package.json has no script "${name}"`,
      })),
  );
}

/**
 * The map of ARCHITECTURE.md names every top-level folder, itself or by its parts, and nothing
 * that is not there. A row begins with the folder in code marks: | `shared/` | … |.
 */
export function folderMap(document: TextFile, paths: readonly string[]): Finding[] {
  const rule = 'folder-map';
  const found = (line: number, text: string): Finding[] => [
    { rule, path: document.path, line, text },
  ];
  const rows = document.text
    .split('\n')
    .map((line, at) => ({ folder: /^\|\s*`([^`]+\/)`\s*\|/.exec(line)?.[1] ?? '', line: at + 1 }))
    .filter(({ folder }) => folder !== '');
  const tops = new Set(paths.filter((path) => /^[^./][^/]*\//.test(path)).map((path) => top(path)));
  const missing = [...tops].filter((name) => !rows.some(({ folder }) => top(folder) === name));
  return [
    ...missing.flatMap((name) => found(0, `the map does not name ${name}`)),
    ...rows
      .filter(({ folder }) => !paths.some((path) => path.startsWith(folder)))
      .flatMap(({ folder, line }) => found(line, `${folder} is not there`)),
  ];
}

/** Each top-level folder says what it is. */
export function folderReadmes(paths: readonly string[]): Finding[] {
  return [...new Set(paths.filter((path) => /^[^./][^/]*\//.test(path)).map(top))]
    .filter((folder) => !paths.includes(`${folder}README.md`))
    .map((path) => ({ rule: 'folder-readme', path, line: 0, text: 'has no README.md' }));
}

const top = (path: string): string => `${path.split('/', 1)[0]}/`;

const link = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g;

/** Every link to a file of the project leads somewhere. */
export function documentLinks(document: TextFile, exists: (path: string) => boolean): Finding[] {
  const folder = document.path.split('/').slice(0, -1).join('/');
  return document.text.split('\n').flatMap((line, at) =>
    [...line.matchAll(link)]
      .map((match) => match[1] ?? '')
      .filter((target) => !exists(folder === '' ? target : `${folder}/${target}`))
      .map((target) => ({
        rule: 'document-links',
        path: document.path,
        line: at + 1,
        text: `${target} is not there`,
      })),
  );
}
