/** What the bench reads of Litestream's replica: LZ4 frames, pages of SQLite, LTX files. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isBatonError } from '../../../shared/errors/baton-error.ts';
import { pinnedVersion } from '../../bench/litestream/build.ts';
import { highestRowid, readVarint } from '../../bench/litestream/leaf-pages.ts';
import { readLtx } from '../../bench/litestream/ltx.ts';
import { unpackFrame } from '../../bench/litestream/lz4.ts';

const fixture = readFileSync(join(import.meta.dirname, 'fixtures/litestream-0.5.9.ltx'));

/** Whatever is thrown for bad bytes is `frame-broken`; a value is passed on. */
const orBroken = <Value>(action: () => Value): Value | 'broken' => {
  try {
    return action();
  } catch (error) {
    if (isBatonError(error) && error.code === 'frame-broken') return 'broken';
    throw error;
  }
};

const little = (value: number, size: number): number[] =>
  Array.from({ length: size }, (_, index) => Math.floor(value / 256 ** index) % 256);

/** A frame of blocks; `plain` ones are stored as they are. */
const frame = (blocks: readonly { bytes: readonly number[]; plain: boolean }[]): Uint8Array =>
  Uint8Array.from([
    ...[0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0],
    ...blocks.flatMap(({ bytes, plain }) => [
      ...little(bytes.length + (plain ? 0x8000_0000 : 0), 4),
      ...bytes,
    ]),
    ...[0, 0, 0, 0],
  ]);

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const codes = (words: string): number[] => [...Buffer.from(words, 'latin1')];

describe('LZ4', () => {
  test('literals, a match that overlaps itself, and the literals at the end', () => {
    // "ab", then 10 bytes from 2 back, then "!".
    const block = [0x26, ...codes('ab'), 2, 0, 0x10, ...codes('!')];
    const bytes = frame([{ bytes: block, plain: false }]);
    const { content, end } = unpackFrame(bytes, 0, 100);
    expect([text(content), end]).toEqual(['abababababab!', bytes.length]);
  });

  test('lengths beyond four bits go on in further bytes', () => {
    const literals = 'x'.repeat(15 + 255 + 3);
    const block = [0xff, 255, 3, ...codes(literals), 1, 0, 255, 10, 0x00];
    const { content } = unpackFrame(frame([{ bytes: block, plain: false }]), 0, 1000);
    expect(text(content)).toBe('x'.repeat(273 + 15 + 255 + 10 + 4));
  });

  test('stored blocks come through, one after the other, anywhere in a file', () => {
    const isKept = fc.property(
      fc.array(fc.uint8Array({ maxLength: 50 })),
      fc.nat(9),
      (parts, at) => {
        const filled = parts.filter((part) => part.length > 0);
        const inner = frame(filled.map((part) => ({ bytes: [...part], plain: true })));
        const bytes = Uint8Array.from([...Array(at).fill(7), ...inner, 9, 9]);
        const { content, end } = unpackFrame(bytes, at, 5000);
        expect([...content]).toEqual(filled.flatMap((part) => [...part]));
        expect(end).toBe(at + inner.length);
      },
    );
    fc.assert(isKept);
  });

  test.each<[string, Uint8Array]>([
    ['another magic number', Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])],
    ['it is too long', frame([{ bytes: codes('y'.repeat(101)), plain: true }])],
    ['it is too long', frame([{ bytes: [0x1f, 1, 1, 0, 255, 0, 0x00], plain: false }])],
    ['a match 5 bytes back', frame([{ bytes: [0x10, 1, 5, 0, 0x00], plain: false }])],
    ['a match 0 bytes back', frame([{ bytes: [0x10, 1, 0, 0, 0x00], plain: false }])],
    ['it ends', frame([{ bytes: [0xf0, 255], plain: false }])],
    ['it ends', frame([{ bytes: codes('abc'), plain: true }]).subarray(0, 13)],
  ])('%s', (words, bytes) => {
    expect(() => unpackFrame(bytes, 0, 100)).toThrow(words);
  });
});

describe('pages', () => {
  test('varints are those of SQLite', () => {
    expect(readVarint(Uint8Array.from([0x7f]), 0)).toEqual({ value: 127, end: 1 });
    expect(readVarint(Uint8Array.from([0x81, 0x00]), 0)).toEqual({ value: 128, end: 2 });
    const large = [0x80, 0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80];
    expect(readVarint(Uint8Array.from([...large, 0xff]), 0)?.end).toBe(9);
    expect(readVarint(Uint8Array.from([0x81]), 0)).toBeNull();
    expect(readVarint(Uint8Array.from([]), 0)).toBeNull();
  });

  test.each([1, 26, 5_000, 10_000_000_003, 2 ** 40])(
    'the newest row of a real table is found: %i',
    (first) => {
      const database = new DatabaseSync(':memory:');
      database.exec('CREATE TABLE kine (id INTEGER PRIMARY KEY AUTOINCREMENT, value BLOB)');
      const insert = database.prepare('INSERT INTO kine VALUES (?, ?)');
      for (let id = first; id < first + 50; id += 1) insert.run(id, Buffer.alloc((id % 40) * 100));
      const bytes = Buffer.from(database.serialize());
      database.close();
      const pages = Array.from({ length: bytes.length / 4096 - 1 }, (_, index) =>
        highestRowid(bytes.subarray((index + 1) * 4096, (index + 2) * 4096)),
      );
      expect(Math.max(...pages.map((rowid) => rowid ?? 0))).toBe(first + 49);
    },
  );

  test('pages of another kind have none, and nonsense is not read beyond its end', () => {
    for (const kind of [0x00, 0x02, 0x05, 0x0a]) {
      expect(highestRowid(Uint8Array.from([kind, 0, 0, 0, 1, 0, 9, 0, 0, 10, 1, 1]))).toBeNull();
    }
    const anything = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(anything, (bytes) => {
        const rowid = highestRowid(Uint8Array.from([0x0d, ...bytes]));
        expect(rowid === null || Number.isSafeInteger(rowid)).toBe(true);
      }),
    );
  });
});

describe('LTX', () => {
  test('a file that Litestream 0.5.9 wrote while rows 1 to 26 were inserted', () => {
    expect(readLtx(fixture)).toEqual({
      firstTransaction: 2n,
      lastTransaction: 2n,
      pages: 40,
      revision: 26,
    });
  });

  test('a file cut off anywhere within its pages is refused', () => {
    // Behind the pages stand an index of at most 5 bytes a page and a trailer.
    const end = fixture.length - 40 * 5 - 50;
    const isRefused = fc.property(fc.nat(end - 1), (length) => {
      expect(orBroken(() => readLtx(fixture.subarray(0, length)))).toBe('broken');
    });
    fc.assert(isRefused);
  });

  test('altered bytes end in a file or in words, never in a crash or without end', () => {
    const change = fc.tuple(fc.nat(fixture.length - 1), fc.integer({ min: 0, max: 255 }));
    const isHandled = fc.property(fc.array(change, { minLength: 1, maxLength: 20 }), (changes) => {
      const bytes = Buffer.from(fixture);
      for (const [at, value] of changes) bytes[at] = value;
      const read = orBroken(() => readLtx(bytes));
      if (read !== 'broken') expect(read.pages).toBeLessThan(1000);
    });
    fc.assert(isHandled, { numRuns: 300 });
    const noise = fc.uint8Array({ maxLength: 300 });
    fc.assert(fc.property(noise, (bytes) => void orBroken(() => readLtx(bytes))));
  });
});

test('the version is read from go.mod', () => {
  const goMod = readFileSync(join(import.meta.dirname, '../../bench/litestream/go.mod'), 'utf8');
  expect(pinnedVersion(goMod)).toBe('v0.5.9');
  expect(pinnedVersion('require github.com/benbjohnson/litestream v1.2.3\n')).toBe('v1.2.3');
  expect(pinnedVersion('module x\n')).toBeNull();
});
