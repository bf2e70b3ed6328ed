/**
 * `baton mqtt`: the ready mosquitto_sub line.
 *
 * Standard output holds the line and nothing else, so that `eval "$(baton mqtt)"` works; what a
 * person should know goes to standard error. The remote line holds this node's broker key in plain
 * text. Its identity `reader@<node>` may only read `baton/#` (coordinator/broker/parties.ts), but
 * whoever has the key could also use the node's own identity.
 * Source: mosquitto_sub(1), options --psk and --psk-identity.
 */
import { clusterKeyring } from '../../../shared/crypto/keyring.ts';
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import type { AgentSettings } from '../../config.ts';
import { list } from '../layout/words.ts';
import type { Exit, World } from '../world.ts';
import { complain, type Values } from './agent-question.ts';
import { readSettings, readText } from './settings.ts';

const READER_PREFIX = 'reader@';
const DEFAULT_READER_PORT = 1883;

export function mqtt(world: World, values: Values, flags: ReadonlySet<string>): Exit {
  const read = readSettings(world, values);
  if (flags.has('remote')) {
    return read.ok ? remote(world, read.settings) : failed(world, read.message);
  }
  if (!read.ok && (read.named || read.why === 'refused')) return failed(world, read.message);
  const port = read.ok ? read.settings.mqtt.reader_port : DEFAULT_READER_PORT;
  world.output.print([subscribe('127.0.0.1', port, '')]);
  return 0;
}

const subscribe = (host: string, port: number, secret: string): string =>
  `mosquitto_sub -h ${host} -p ${port}${secret} -v -t 'baton/#'`;

function remote(world: World, settings: AgentSettings): Exit {
  const coordinators = settings.cluster.nodes.filter((node) => node.coordinator);
  const [first, ...others] = coordinators;
  if (first === undefined) {
    return failed(world, 'no node of the settings has coordinator: true, so there is no broker');
  }
  const key = readText(world, settings.cluster.key_file);
  if (!key.ok) return failed(world, key.message);
  const psk = readerPsk(key.text, settings);
  if (!psk.ok) return failed(world, psk.message);
  const secret = ` --psk ${psk.key} --psk-identity ${psk.identity}`;
  world.output.print([subscribe(first.address, first.mqtt_port, secret)]);
  if (others.length > 0) {
    const places = others.map((node) => `${node.address} -p ${node.mqtt_port}`);
    world.complain(`the same from: -h ${list(places)}`);
  }
  world.complain('the line holds a key: do not paste it where others read');
  return 0;
}

type Psk =
  | { readonly ok: true; readonly identity: string; readonly key: string }
  | { readonly ok: false; readonly message: string };

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex');

function readerPsk(keyText: string, settings: AgentSettings): Psk {
  try {
    const own = clusterKeyring(keyText, settings.node.name, settings.cluster.nodes).brokerPsk();
    return { ok: true, identity: `${READER_PREFIX}${own.identity}`, key: hex(own.key) };
  } catch (error) {
    if (isBatonError(error) && error.kind === 'usage') return { ok: false, message: error.message };
    throw error;
  }
}

const failed = (world: World, message: string): Exit => {
  complain(world, message);
  return 1;
};
