/**
 * INSTALL.md against what it speaks of: its commands make the tree that the lab installs, its table
 * names every file of it, and its settings are read by the parsers that will read them.
 */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, matchesGlob } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_NAME } from '../../../agent/actions/hosts-line.ts';
import { mayTravel } from '../../../agent/adapters/archive/manifest.ts';
import { type AgentSettings, loadAgentSettings } from '../../../agent/config.ts';
import { loadCoordinatorSettings } from '../../../coordinator/config.ts';
import {
  agentConfiguration,
  serverConfiguration,
} from '../../control-plane/embedded/configuration.ts';
import { copyFiles, SHIPPED } from '../../lab/machines/install.ts';

const document = readFileSync(join(import.meta.dirname, '../../../systemd/INSTALL.md'), 'utf8');
const blocks = [...document.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map(
  ([, language = '', text = '']) => ({ language, text }),
);
/** The block that begins with this line. */
const block = (line: string): string =>
  blocks.find(({ text }) => text.startsWith(`${line}\n`))?.text ?? `no block begins with ${line}`;

const folder = mkdtempSync(join(tmpdir(), 'baton-install-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Path → permission bits and content, of every file below. */
const tree = (root: string, below = ''): Map<string, readonly [mode: string, text: string]> =>
  new Map(
    readdirSync(join(root, below), { withFileTypes: true }).flatMap((entry) => {
      const path = `${below}/${entry.name}`;
      const file = join(root, path);
      if (entry.isDirectory()) return [...tree(root, path)];
      const mode = (statSync(file).mode & 0o7777).toString(8);
      return [[path, [mode, readFileSync(file, 'utf8')] as const] as const];
    }),
  );

describe('the files', () => {
  const [ours, lab] = [join(folder, 'ours'), join(folder, 'lab')];
  const rows = [...document.matchAll(/^\| `(\/usr\/[^`]+)` \| (\d+) \|/gm)].map(
    ([, glob = '', mode = '']) => ({ glob, mode }),
  );

  beforeAll(() => {
    const [bundles, node] = [join(folder, 'checkout/dist'), join(folder, 'node')];
    mkdirSync(bundles, { recursive: true });
    symlinkSync(SHIPPED, join(folder, 'checkout/systemd'));
    for (const name of ['baton-agent', 'baton-coordinator', 'baton']) {
      writeFileSync(join(bundles, `${name}.mjs`), name, { mode: 0o755 });
    }
    writeFileSync(node, 'Node', { mode: 0o755 });
    copyFiles(lab, { node, bundles });
    const script = block('# In the checkout.');
    const env = { PATH: process.env.PATH, ROOT: ours, NODE: node };
    execFileSync('sh', ['-euc', script], { cwd: join(folder, 'checkout'), env });
  });

  it('are those that the lab installs, each to the letter', () => {
    const texts = (root: string) => [...tree(root)].map(([path, [, text]]) => [path, text]).sort();
    expect(texts(ours)).toEqual(texts(lab));
  });

  it('stand in the table with their modes, and nothing else does', () => {
    const found = [...tree(ours)].map(([path, [mode]]) => ({ path, mode }));
    const told = ({ path, mode }: { path: string; mode: string }) =>
      rows.some((row) => row.mode === mode && matchesGlob(path, row.glob));
    expect(found.filter((one) => !told(one))).toEqual([]);
    expect(rows.filter(({ glob }) => !found.some(({ path }) => matchesGlob(path, glob)))).toEqual(
      [],
    );
  });
});

describe('the settings', () => {
  const path = '/etc/baton/agent.yaml';
  const agent = (text: string): AgentSettings => {
    const loaded = loadAgentSettings(text, path);
    expect(loaded).toMatchObject({ ok: true });
    return loaded.ok ? loaded.settings : ({} as AgentSettings);
  };

  it('are taken by agent and coordinator, with the same list', () => {
    const { cluster } = agent(block(`# ${path}`));
    expect(cluster.nodes.map(({ name }) => name)).toEqual(['pi1', 'pi2', 'pi3', 'pi4', 'pi5']);
    const place = '/etc/baton/coordinator.yaml';
    const loaded = loadCoordinatorSettings(block(`# ${place}`), place);
    expect(loaded).toMatchObject({ ok: true, settings: { cluster } });
  });

  it('of k3s name baton-api, and its agent takes what the drop-in gives it', async () => {
    const { paths, k3s } = agent(block(`# ${path}`));
    const here = (text: string): string => text.replaceAll(paths.k3s_config_dir, folder);
    const put = (file: string, text: string): void => {
      mkdirSync(dirname(here(file)), { recursive: true });
      writeFileSync(here(file), here(text));
    };
    const files = ['config.yaml', 'config.yaml.d/node.local.yaml'].map(
      (name) => `${paths.k3s_config_dir}/${name}`,
    );
    for (const file of files) put(file, block(`# ${file}`));
    put(k3s.token_file, 'secret\n');
    const server = await serverConfiguration([], { K3S_CONFIG_FILE: here(files[0] ?? '') });
    expect(server).toMatchObject({ token: 'secret', sans: [API_NAME], nodeName: 'pi1' });
    const dropIn = readFileSync(join(SHIPPED, 'k3s-agent.service.d/10-baton-follow.conf'), 'utf8');
    const words = [...dropIn.matchAll(/^Environment=(.*)$/gm)].flatMap((at) => at[1]?.split(' '));
    const given = Object.fromEntries(words.map((word) => here(word ?? '').split('=')));
    expect(await agentConfiguration([], given)).toEqual({
      server: `https://${API_NAME}:${k3s.api_port}`,
      nodeName: 'pi1',
    });
    // Its own file stays where it is.
    expect(mayTravel('config/config.yaml.d/node.local.yaml')).toBe(false);
  });
});
