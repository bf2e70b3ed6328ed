/** Frames as bytes: whatever pieces they arrive in, and whatever else arrives in their place. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameDecoder } from '../../../shared/net/frame-codec.ts';
import {
  encodeHello,
  encodeSorry,
  encodeWelcome,
  readAnswer,
  readHello,
} from '../../../shared/net/frame-hello.ts';
import type { Frame } from '../../../shared/ports/network.ts';

const LIMIT = 4096;
const header = fc
  .dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
  // JSON has neither a negative zero nor a prototype.
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>)
  .filter((value) => !('type' in value) && JSON.stringify(value).length < 1000);
const frame: fc.Arbitrary<Frame> = fc.record({
  type: fc.stringMatching(/^[a-z][a-z0-9_-]{0,31}$/),
  header,
  body: fc.uint8Array({ maxLength: 2000 }),
});

const plain = ({ type, header: fields, body }: Frame) => ({
  type,
  header: fields,
  body: Buffer.from(body).toString('hex'),
});

/** Everything a decoder gives for these pieces; stops at a break. */
const decodeAll = (
  pieces: readonly Uint8Array[],
  limit = LIMIT,
): { readonly frames: Frame[]; readonly broken: string | null; readonly kept: number } => {
  const decoder = new FrameDecoder(limit);
  const frames: Frame[] = [];
  let kept = 0;
  for (const piece of pieces) {
    decoder.push(piece);
    for (;;) {
      const decoded = decoder.next();
      kept = Math.max(kept, decoder.kept);
      if (decoded.kind === 'broken') return { frames, broken: decoded.reason, kept };
      if (decoded.kind === 'incomplete') break;
      frames.push(decoded.frame);
    }
  }
  return { frames, broken: null, kept };
};

const cut = (bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return [...pieces, bytes.subarray(at)];
};

/** A length word and then `content`, whatever it is. */
const framed = (content: Uint8Array): Buffer => {
  const bytes = Buffer.alloc(4 + content.length);
  bytes.writeUInt32BE(content.length);
  bytes.set(content, 4);
  return bytes;
};
const withHeader = (json: string): Buffer => {
  const text = Buffer.from(json);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(text.length);
  return framed(Buffer.concat([length, text]));
};

describe('frames', () => {
  test('come back as they were, cut into any pieces', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 6 }),
        fc.array(fc.nat({ max: 700 }), { maxLength: 20 }),
        (frames, sizes) => {
          const bytes = Buffer.concat(frames.map((one) => encodeFrame(one, LIMIT)));
          const decoded = decodeAll(cut(bytes, sizes));
          expect(decoded.broken).toBeNull();
          expect(decoded.frames.map(plain)).toEqual(frames.map(plain));
        },
      ),
    );
  });

  test('come back when every byte arrives alone', () => {
    const bytes = encodeFrame({ type: 'batch', header: { rows: 2 }, body: Buffer.from('ab') }, 99);
    const { frames } = decodeAll([...bytes].map((byte) => Uint8Array.of(byte)));
    expect(frames.map(plain)).toEqual([{ type: 'batch', header: { rows: 2 }, body: '6162' }]);
  });

  test('that were given out do not change when more arrives', () => {
    const bytes = Buffer.concat(
      [1, 2, 3].map((value) =>
        encodeFrame({ type: 'x', header: null, body: Buffer.alloc(9, value) }, 99),
      ),
    );
    const { frames } = decodeAll(cut(bytes, [5, 20, 7, 3, 11]));
    expect(frames.map(({ body }) => body[0])).toEqual([1, 2, 3]);
    expect(frames.every(({ body }) => new Set(body).size === 1)).toBe(true);
  });

  test('random bytes give frames or a break, never an exception and never much memory', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (pieces) => {
        expect(decodeAll(pieces).kept).toBeLessThanOrEqual(2 * LIMIT + 4);
      }),
    );
  });

  test('a whole stream with one byte changed never throws', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 3 }),
        fc.nat(),
        fc.nat(),
        (frames, at, to) => {
          const bytes = Buffer.concat(frames.map((one) => encodeFrame(one, LIMIT)));
          bytes[at % bytes.length] = to & 0xff;
          decodeAll([bytes]);
        },
      ),
    );
  });

  test('a frame of 20 MiB is refused by its first four bytes', () => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(20 * 1024 * 1024);
    const decoded = decodeAll([length]);
    expect(decoded.broken).toContain('20971520 bytes');
    expect(decoded.kept).toBe(0);
  });

  test('after a break nothing is taken any more', () => {
    const decoder = new FrameDecoder(LIMIT);
    decoder.push(Buffer.alloc(4, 0xff));
    expect(decoder.next().kind).toBe('broken');
    decoder.push(encodeFrame({ type: 'x', header: null, body: Buffer.alloc(0) }, LIMIT));
    expect(decoder.next().kind).toBe('broken');
    expect(decoder.kept).toBe(0);
  });

  test.each([
    ['no header at all', framed(Buffer.alloc(1))],
    ['a header longer than its frame', framed(Buffer.from([0, 9, 123, 125]))],
    ['no JSON', withHeader('{"type":')],
    ['no object', withHeader('["lease"]')],
    ['null', withHeader('null')],
    ['no type', withHeader('{}')],
    ['a type of another kind', withHeader('{"type":7}')],
    ['a type with other letters', withHeader('{"type":"Lease\\n"}')],
  ])('%s is a break', (_name, bytes) => {
    expect(decodeAll([bytes]).broken).not.toBeNull();
  });

  test('random JSON in a header is a frame or a break', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const { frames, broken } = decodeAll([withHeader(json)]);
        expect(frames.length + (broken === null ? 0 : 1)).toBe(1);
      }),
    );
  });

  test('what no peer would take cannot be encoded', () => {
    const body = Buffer.alloc(0);
    expect(() => encodeFrame({ type: 'x', header: null, body: Buffer.alloc(99) }, 50)).toThrow();
    expect(() =>
      encodeFrame({ type: 'x', header: { text: 'y'.repeat(70_000) }, body }, 1e6),
    ).toThrow();
    expect(() => encodeFrame({ type: 'x', header: [], body }, 50)).toThrow();
    expect(() => encodeFrame({ type: 'x', header: 'text', body }, 50)).toThrow();
  });
});

describe('greetings', () => {
  const first = (bytes: Uint8Array): Frame => decodeAll([bytes]).frames[0] as Frame;
  const life = '00112233445566778899aabbccddeeff';

  test('come back as they were', () => {
    const hello = { to: 'pi1', purpose: 'bulk', life } as const;
    expect(readHello(first(encodeHello(hello)))).toMatchObject(hello);
    const welcome = { node: 'pi1', life };
    expect(readAnswer(first(encodeWelcome(welcome)))).toMatchObject({
      kind: 'welcome',
      ...welcome,
    });
    const sorry = { code: 'duplicate-node', reason: 'two of them' } as const;
    expect(readAnswer(first(encodeSorry(sorry)))).toMatchObject({ kind: 'sorry', ...sorry });
  });

  test('random headers are no greeting and never throw', () => {
    const types = fc.constantFrom('link-hello', 'link-welcome', 'link-sorry', 'lease');
    fc.assert(
      fc.property(types, fc.jsonValue(), (type, value) => {
        const one = { type, header: value, body: Buffer.alloc(0) };
        expect(readHello(one)).toBeNull();
        expect(readAnswer(one)).toBeNull();
      }),
    );
  });

  test.each([
    ['another version', { version: 2, to: 'pi1', purpose: 'lease', life }],
    ['another purpose', { version: 1, to: 'pi1', purpose: 'gossip', life }],
    ['no proper name', { version: 1, to: '../pi1', purpose: 'lease', life }],
    ['no life', { version: 1, to: 'pi1', purpose: 'lease' }],
  ])('%s is no greeting', (_name, fields) => {
    expect(readHello({ type: 'link-hello', header: fields, body: Buffer.alloc(0) })).toBeNull();
  });

  test('a reason that would move a cursor is not taken', () => {
    const fields = { code: 'link-refused', reason: '\u001b[2Jgone' };
    expect(readAnswer({ type: 'link-sorry', header: fields, body: Buffer.alloc(0) })).toBeNull();
  });
});
