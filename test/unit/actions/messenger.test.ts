/** The messenger: one seal for every path, copies dropped, strangers told once. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messenger } from '../../../agent/actions/messenger.ts';
import { generateClusterKey, KEY_BYTES } from '../../../shared/crypto/key-file.ts';
import { clusterKeyring } from '../../../shared/crypto/keyring.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import type { LeaseMessage } from '../../../shared/protocol/lease-messages.ts';
import { milliseconds, seconds } from '../../../shared/time/duration.ts';

const nodes = ['a', 'b', 'c'].map((name) => ({ name, eligible: true }));
const key = (fill: number) => generateClusterKey(new Uint8Array(KEY_BYTES).fill(fill));
const message: LeaseMessage = { kind: 'learn', request: 'r:1' };

const make = (self: string, keyFill = 1) => {
  const clock = fakeClock();
  const path = { stands: true };
  const sent: Uint8Array[] = [];
  const heard: string[] = [];
  const refused: string[] = [];
  const letters = messenger({
    keyring: clusterKeyring(key(keyFill), self, nodes),
    clock,
    paths: [
      (_to, bytes) => path.stands && sent.push(bytes) > 0,
      () => {
        throw new TypeError('this path is broken');
      },
    ],
    onMessage: (from, { kind }) => heard.push(`${from} ${kind}`),
    refused: (from, reason) => refused.push(`${from} ${reason}`),
  });
  return { letters, clock, path, sent, heard, refused };
};

const sealed = (from: string, keyFill = 1): Uint8Array => {
  const { letters, sent } = make(from, keyFill);
  letters.send('b', message);
  return sent[0] ?? new Uint8Array();
};

test('copies of one message on other paths are one event; a later repetition is new', () => {
  const { letters, clock, heard } = make('b');
  const bytes = sealed('a');
  for (let copy = 0; copy < 4; copy += 1) letters.receive('a', bytes);
  expect(heard).toEqual(['a learn']);
  clock.advance(seconds(1));
  letters.receive('a', bytes);
  expect(heard).toEqual(['a learn', 'a learn']);
});

test('an altered copy that comes first does not suppress the message', () => {
  const { letters, heard, refused } = make('b');
  const bytes = sealed('a');
  const altered = Uint8Array.from(bytes);
  altered[altered.length - 2] = (altered.at(-2) ?? 0) ^ 1;
  letters.receive('a', altered);
  letters.receive('a', bytes);
  expect(heard).toEqual(['a learn']);
  expect(refused).toEqual(['a seal-wrong']);
});

test('another cluster key is told once', () => {
  const { letters, heard, refused } = make('b');
  for (let count = 0; count < 5; count += 1) letters.receive('a', sealed('a', 2));
  expect([heard, refused]).toEqual([[], ['a seal-wrong']]);
});

test('a path that throws is a path that lost the message', () => {
  const { letters, sent } = make('a');
  letters.send('b', message);
  expect(sent).toHaveLength(1);
});

test('BUGS 88: what no path takes goes with the first that stands, once', () => {
  const { letters, clock, path, sent } = make('a');
  path.stands = false;
  letters.send('b', message);
  letters.pathUp('b');
  letters.send('b', message);
  clock.advance(milliseconds(700));
  path.stands = true;
  letters.pathUp('c');
  expect(sent).toHaveLength(0);
  // A broker may have nobody to give it to yet, so what it took waits on for a link.
  letters.pathUp();
  expect(sent).toHaveLength(1);
  letters.pathUp('b');
  letters.pathUp('b');
  letters.pathUp();
  expect(sent).toHaveLength(2);
});

test('what has waited for a second is out of date, and little waits for a dead node', () => {
  const { letters, clock, path, sent } = make('a');
  path.stands = false;
  letters.send('b', message);
  clock.advance(seconds(1));
  for (let count = 0; count < 100; count += 1) letters.send('c', message);
  path.stands = true;
  letters.pathUp();
  expect(sent).toHaveLength(8);
});

test('random bytes are refused, whatever they are, and names fill no memory', () => {
  const { letters, heard, refused } = make('b');
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 300 }), (from, bytes) => {
      letters.receive(from, bytes);
      return heard.length === 0 && refused.length <= 256;
    }),
  );
});
