/**
 * The greeting on a direct link, once TLS-PSK has proven the key: both ends' halves of it.
 *
 * The listener checks who was meant and whether the name is already taken by another life, then
 * welcomes; the dialler checks who answered. Either half ends with a connection that frames can be
 * sent on, or with a refusal in words.
 */
import type { TLSSocket } from 'node:tls';
import type { Keyring } from '../crypto/keyring.ts';
import type { BatonError } from '../errors/baton-error.ts';
import type { LinkPurpose } from '../ports/network.ts';
import type { NodeName } from '../protocol/lease-messages.ts';
import { FrameDecoder } from './frame-codec.ts';
import { type ConnectionBounds, StreamConnection } from './frame-connection.ts';
import {
  encodeHello,
  encodeSorry,
  encodeWelcome,
  firstFrame,
  HELLO_LIMIT,
  type Hello,
  readAnswer,
  readHello,
  type Sorry,
} from './frame-hello.ts';
import type { LinkRivals } from './frame-rivals.ts';
import {
  type DialTarget,
  dialEnded,
  dialRefused,
  dialTimeout,
  hostOf,
  type LinkProblem,
  type LinkProblems,
} from './psk-link-errors.ts';

/** What both halves need to know of this process. */
export interface LinkEnd {
  readonly keyring: Keyring;
  readonly life: string;
  readonly bounds: Readonly<Record<LinkPurpose, ConnectionBounds>>;
  readonly rivals: LinkRivals<StreamConnection>;
  readonly problems: LinkProblems;
}

const twoMachines =
  'two machines run under that node name. Give one of them its own node.name (a cloned card ' +
  'keeps the name of the other) and restart its baton-agent';

/** A connection that takes `socket` over, or null when it is gone. */
const connectionOf = (
  end: LinkEnd,
  socket: TLSSocket,
  decoder: FrameDecoder,
  peer: NodeName,
  purpose: LinkPurpose,
): StreamConnection | null => {
  if (socket.destroyed || socket.readableEnded) return null;
  const host = hostOf(socket);
  const onBroken = (reason: string): void => {
    const text = `${peer} (${host}) sent ${reason}; the link was closed`;
    end.problems.add({ code: 'frame-broken', node: peer, host, text });
  };
  return new StreamConnection(socket, decoder, {
    peer,
    purpose,
    bounds: end.bounds[purpose],
    onBroken,
  });
};

/**
 * The listener's half. `peer` is the name that proved its key. Resolves with null when there is no
 * connection; what went wrong is told. The caller bounds the wait by destroying the socket.
 */
export const receiveGreeting = async (
  end: LinkEnd,
  socket: TLSSocket,
  peer: NodeName,
): Promise<StreamConnection | null> => {
  const host = hostOf(socket);
  const decoder = new FrameDecoder(HELLO_LIMIT);
  const refuse = (code: Sorry['code'], words: string): null => {
    const text = `${peer} (${host}) was refused: ${words}`;
    end.problems.add({ code, node: peer, host, text });
    socket.end(encodeSorry({ code, reason: words }), () => socket.destroy());
    return null;
  };
  const drop = (words: string): null => {
    const problem: LinkProblem = {
      code: 'frame-broken',
      node: peer,
      host,
      text: `${peer} (${host}) sent ${words}; the link was closed`,
    };
    end.problems.add(problem);
    socket.destroy();
    return null;
  };
  const first = await firstFrame(socket, decoder);
  if (first.kind === 'broken') return drop(first.reason);
  if (first.kind === 'ended') return null;
  const hello = readHello(first.frame);
  if (hello === null) return drop('no greeting of this version of baton');
  const wrong = misdirected(end, peer, hello);
  if (wrong !== null) return refuse(wrong.code, wrong.reason);
  const admitted = await end.rivals.admit(peer, hello.life, () =>
    connectionOf(end, socket, decoder, peer, hello.purpose),
  );
  if (admitted === 'rival') return refuse('duplicate-node', twoMachines);
  if (admitted === null) return null;
  end.problems.settle(peer, host);
  socket.write(encodeWelcome({ node: end.keyring.self, life: end.life }));
  return admitted;
};

const misdirected = (end: LinkEnd, peer: NodeName, hello: Hello): Sorry | null => {
  const { self } = end.keyring;
  if (peer === self && hello.life !== end.life) {
    return { code: 'duplicate-node', reason: twoMachines };
  }
  if (peer !== self && hello.to === self) return null;
  const reason =
    `it asked for ${hello.to}, and this is ${self}. ` +
    'Correct the address of one of them in cluster.nodes';
  return { code: 'link-refused', reason };
};

/** The dialler's half, on a socket whose key is proven. Rejects as `LinkNetwork.dial` does. */
export const sendGreeting = async (
  end: LinkEnd,
  socket: TLSSocket,
  target: DialTarget & { readonly purpose: LinkPurpose },
): Promise<StreamConnection> => {
  const { node, purpose } = target;
  const decoder = new FrameDecoder(HELLO_LIMIT);
  const fail = (error: BatonError): never => {
    socket.destroy();
    throw error;
  };
  socket.write(encodeHello({ to: node, purpose, life: end.life }));
  const first = await firstFrame(socket, decoder);
  if (first.kind === 'ended') return fail(dialEnded(target));
  const answer = first.kind === 'frame' ? readAnswer(first.frame) : null;
  if (answer === null) {
    return fail(dialRefused('link-refused', target, 'it answered in no way of this version'));
  }
  if (answer.kind === 'sorry') return fail(dialRefused(answer.code, target, answer.reason));
  if (answer.node !== node) {
    const words = `${answer.node} answers there. Correct the address in cluster.nodes`;
    return fail(dialRefused('link-refused', target, words));
  }
  const admitted = await end.rivals.admit(node, answer.life, () =>
    connectionOf(end, socket, decoder, node, purpose),
  );
  if (admitted === 'rival') {
    const text = `${node} (${target.host}) was left: ${twoMachines}`;
    end.problems.add({ code: 'duplicate-node', node, host: target.host, text });
    return fail(dialRefused('duplicate-node', target, twoMachines));
  }
  return admitted ?? fail(dialTimeout(target));
};
