/**
 * The first frame each way on a direct link: what the dialler wants, and who answers.
 *
 * TLS-PSK has proven the dialler's name by then; the greeting tells what a key cannot: which node
 * the dialler meant (an address may belong to another one by now), what for, and which **life** of
 * the process speaks, so that two machines with one name are told from one that was restarted.
 */
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import type { Frame, LinkPurpose } from '../ports/network.ts';
import type { NodeName } from '../protocol/lease-messages.ts';
import { nodeName } from '../protocol/schemas.ts';
import { encodeFrame, type FrameDecoder } from './frame-codec.ts';

/** Largest greeting, bytes. */
export const HELLO_LIMIT = 1024;
/** Version of the link's own frames; the ends must agree. */
const VERSION = 1;

/** A random word of the process: the same for all its links, another after each start. */
const life = v.pipe(v.string(), v.regex(/^[0-9a-f]{8,64}$/));

const hello = v.object({
  version: v.literal(VERSION),
  to: nodeName,
  purpose: v.picklist(['lease', 'bulk']),
  life,
});
const welcome = v.object({ version: v.literal(VERSION), node: nodeName, life });
const sorry = v.object({
  code: v.picklist(['link-refused', 'duplicate-node']),
  // Printable: it ends up in the log and on people's terminals.
  reason: v.pipe(v.string(), v.regex(/^[\x20-\x7e]{1,256}$/)),
});

export interface Hello {
  readonly to: NodeName;
  readonly purpose: LinkPurpose;
  readonly life: string;
}
export interface Welcome {
  readonly node: NodeName;
  readonly life: string;
}
export interface Sorry {
  readonly code: 'link-refused' | 'duplicate-node';
  readonly reason: string;
}

/** The first frame of a stream, or why there is none. */
export type FirstFrame =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'ended' };

/**
 * Waits for the first frame and leaves the stream paused; what came after it stays in `decoder`.
 * The caller bounds the wait by destroying the stream.
 */
export const firstFrame = (stream: Duplex, decoder: FrameDecoder): Promise<FirstFrame> =>
  new Promise((resolve) => {
    const settle = (first: FirstFrame): void => {
      stream.off('data', receive);
      stream.off('end', ended);
      stream.off('close', ended);
      stream.pause();
      resolve(first);
    };
    const ended = (): void => settle({ kind: 'ended' });
    const receive = (chunk: Buffer): void => {
      decoder.push(chunk);
      const decoded = decoder.next();
      if (decoded.kind !== 'incomplete') settle(decoded);
    };
    stream.on('data', receive);
    stream.on('end', ended);
    stream.on('close', ended);
  });

const noBody = new Uint8Array();
const encode = (type: string, header: object): Buffer =>
  encodeFrame({ type, header, body: noBody }, HELLO_LIMIT);

export const encodeHello = (value: Hello): Buffer =>
  encode('link-hello', { version: VERSION, ...value });
export const encodeWelcome = (value: Welcome): Buffer =>
  encode('link-welcome', { version: VERSION, ...value });
export const encodeSorry = (value: Sorry): Buffer => encode('link-sorry', value);

/** The dialler's greeting; null when the frame is none of this version. */
export const readHello = (frame: Frame): Hello | null => {
  if (frame.type !== 'link-hello') return null;
  const result = v.safeParse(hello, frame.header);
  return result.success ? result.output : null;
};

/** The listener's answer; null when the frame is neither. */
export const readAnswer = (
  frame: Frame,
): ({ readonly kind: 'welcome' } & Welcome) | ({ readonly kind: 'sorry' } & Sorry) | null => {
  if (frame.type === 'link-welcome') {
    const result = v.safeParse(welcome, frame.header);
    return result.success ? { kind: 'welcome', ...result.output } : null;
  }
  if (frame.type === 'link-sorry') {
    const result = v.safeParse(sorry, frame.header);
    return result.success ? { kind: 'sorry', ...result.output } : null;
  }
  return null;
};
