/**
 * `baton keygen`: a new cluster key, or the bundle of one node that never becomes master.
 *
 * Never overwrites: a lost cluster key means visiting every node. Files are for their owner only
 * (0600). With `--out -` the key goes to standard output, for whoever pipes it elsewhere.
 */
import { generateClusterKey, KEY_BYTES } from '../../../shared/crypto/key-file.ts';
import { nodeBundle } from '../../../shared/crypto/keyring.ts';
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { isNodeName } from '../arguments.ts';
import type { Exit, World } from '../world.ts';
import { complain, type Values } from './agent-question.ts';
import { readSettings, readText } from './settings.ts';

const DEFAULT_KEY_FILE = '/etc/baton/cluster.key';
const OWNER_ONLY = 0o600;

export function keygen(world: World, values: Values): Exit {
  const node = values.get('for');
  if (node === undefined) return clusterKey(world, values);
  if (!isNodeName(node)) {
    complain(world, `"${node}" cannot be the name of a node`);
    return 2;
  }
  return bundle(world, values, node);
}

/** The key file of the settings, else the usual place; null when named settings are no good. */
function keyFile(world: World, values: Values): string | null {
  const read = readSettings(world, values);
  if (read.ok) return read.settings.cluster.key_file;
  if (!read.named) return DEFAULT_KEY_FILE;
  complain(world, read.message);
  return null;
}

function clusterKey(world: World, values: Values): Exit {
  const file = values.get('out') ?? keyFile(world, values);
  if (file === null) return 1;
  const written = put(world, file, generateClusterKey(world.randomBytes(KEY_BYTES)));
  if (written === 0 && file !== '-') {
    world.output.print([
      `wrote a new cluster key to ${file}`,
      'copy it to every eligible node, and to no other: whoever has it can be any node',
      `for a node that never becomes master: baton keygen --for NODE --key ${file}`,
    ]);
  }
  return written;
}

function bundle(world: World, values: Values, node: string): Exit {
  const source = values.get('key') ?? keyFile(world, values);
  if (source === null) return 1;
  const key = readText(world, source);
  if (!key.ok) {
    complain(
      world,
      `${key.message}\na bundle is made from the cluster key: give it with --key FILE`,
    );
    return 1;
  }
  const eligible = refusal(world, values, node);
  if (eligible !== null) {
    complain(world, eligible);
    return 1;
  }
  const file = values.get('out') ?? `${node}.key`;
  const written = put(world, file, nodeBundle(key.text, node));
  if (written === 0 && file !== '-') {
    world.output.print([
      `wrote the keys of ${node} to ${file}`,
      `copy the file to ${node} as its cluster.key_file; it opens nothing but that one node`,
    ]);
  }
  return written;
}

/** A bundle for an eligible node would be refused by its agent; say so here already. */
function refusal(world: World, values: Values, node: string): string | null {
  const read = readSettings(world, values);
  const entry = read.ok ? read.settings.cluster.nodes.find((one) => one.name === node) : undefined;
  return entry?.eligible === true
    ? `${node} is eligible in the settings: it needs the cluster key itself, not a bundle`
    : null;
}

function put(world: World, file: string, key: string): Exit {
  if (file === '-') {
    world.output.print([key]);
    return 0;
  }
  if (world.files.exists(file)) {
    complain(
      world,
      `${file} is there already and is left as it is\n` +
        'a node with another key cannot talk to the cluster; write elsewhere with --out FILE',
    );
    return 1;
  }
  try {
    world.files.write(file, `${key}\n`, { sync: true, mode: OWNER_ONLY });
    return 0;
  } catch (error) {
    if (!isBatonError(error) || error.kind !== 'operational') throw error;
    complain(
      world,
      error.code === 'file-missing'
        ? `there is no folder for ${file}\nmake it, or write elsewhere with --out FILE`
        : error.message,
    );
    return 1;
  }
}
