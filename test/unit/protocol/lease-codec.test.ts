/** Lease messages on the wire: L15, and that nothing that arrives can do harm. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  LEASE_MESSAGE_LIMIT,
  openLeaseMessage,
  sealLeaseMessage,
} from '../../../shared/protocol/lease-codec.ts';
import type { LeaseMessage, Position } from '../../../shared/protocol/lease-messages.ts';
import { validateLeaseMessage } from '../../../shared/protocol/lease-schemas.ts';
import { MOST_NODES } from '../../../shared/protocol/schemas.ts';
import { SEALED_LEASE, SEALED_REPORT, seal } from '../../../shared/protocol/seal.ts';
import { anyMessage, messageKinds, messageOf, ringOf } from './messages.ts';

const pi1 = ringOf('pi1');
const pi2 = ringOf('pi2');
const release: LeaseMessage = {
  kind: 'release',
  ballot: { counter: 4, node: 'pi1', nonce: '0123456789abcdef' },
  epoch: 3,
  successor: 'pi2',
  last_revision: 41,
};
const sealed = (to: string, message: LeaseMessage, from = pi1): Uint8Array => {
  const bytes = sealLeaseMessage(from, to, message);
  if (bytes === null) return expect.unreachable('these two share a key');
  return bytes;
};
/** A right seal around anything at all. */
const sealedValue = (value: unknown, from = pi1): Uint8Array =>
  seal(from, SEALED_LEASE, 'pi2', value, LEASE_MESSAGE_LIMIT) ?? expect.unreachable('no key');

test.each(messageKinds)('%s comes back as it was sent', (kind) => {
  fc.assert(
    fc.property(messageOf(kind, 'pi1'), (message) => {
      const opened = openLeaseMessage(pi2, sealed('pi2', message));
      expect(opened).toEqual({ ok: true, from: 'pi1', message });
    }),
    { numRuns: 40 },
  );
});

test('the largest message of all fits', () => {
  const long = (index: number) => `${'n'.repeat(60)}-${String(index).padStart(2, '0')}`;
  const names = Array.from({ length: MOST_NODES }, (_, index) => long(index));
  const huge = Number.MAX_SAFE_INTEGER;
  const nonce = 'f'.repeat(16);
  const position = (node: string): Position => ({
    node,
    lineage_epoch: huge,
    revision: huge,
    word: { nonce, sequence: huge },
  });
  const list = { epoch: huge, number: huge, members: names, previous: names, committed: false };
  const message: LeaseMessage = {
    kind: 'propose',
    ballot: { counter: huge, node: 'pi1', nonce },
    round: huge,
    owner: 'pi1',
    epoch: huge,
    duration_ms: 3_600_000,
    nonces: Object.fromEntries(names.map((name) => [name, nonce])),
    list,
    positions: names.map(position),
    wall_ms: huge,
    wall_synchronised: true,
  };
  expect(openLeaseMessage(pi2, sealed('pi2', message))).toMatchObject({ ok: true });
});

test('a Promise of an agent of an earlier version knows of no tenure', () => {
  const list = { epoch: 1, number: 1, members: ['pi1'], previous: [], committed: true };
  const promise = {
    kind: 'promise',
    ballot: { counter: 1, node: 'pi2', nonce: 'f'.repeat(16) },
    nonce: 'e'.repeat(16),
    accepted: null,
    highest_epoch: 1,
    epoch_owner: null,
    list,
    newest_tenure: 0,
    positions: [],
    wall_ms: 0,
    wall_synchronised: false,
  } as const;
  const { newest_tenure: _later, ...earlier } = promise;
  const opened = openLeaseMessage(pi2, sealed('pi2', earlier as unknown as LeaseMessage));
  expect(opened).toMatchObject({ ok: true, message: promise });
});

describe('L15: the seal', () => {
  test('any altered byte is refused', () => {
    fc.assert(
      fc.property(
        anyMessage('pi1'),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (message, at, by) => {
          const bytes = Buffer.from(sealed('pi2', message));
          const place = at % bytes.length;
          bytes[place] = (bytes[place] ?? 0) ^ by;
          expect(openLeaseMessage(pi2, bytes).ok).toBe(false);
        },
      ),
    );
  });

  test('a seal of zeros or of another pair is no seal', () => {
    const bytes = Buffer.from(sealed('pi2', release));
    bytes.fill(0, 0, 32);
    expect(openLeaseMessage(pi2, bytes)).toEqual({ ok: false, reason: 'seal-wrong' });
    const other = Buffer.from(sealed('shelf', release));
    Buffer.from(sealed('pi2', release)).copy(other, 0, 0, 32);
    expect(openLeaseMessage(ringOf('shelf'), other)).toEqual({ ok: false, reason: 'seal-wrong' });
  });

  test('a message for another node is not opened, nor one sent back', () => {
    const bytes = sealed('pi2', release);
    expect(openLeaseMessage(ringOf('shelf'), bytes)).toMatchObject({ reason: 'not-for-this-node' });
    expect(openLeaseMessage(pi1, bytes)).toMatchObject({ reason: 'not-for-this-node' });
  });

  test('a sealed report is never taken for a lease message', () => {
    const bytes = seal(pi1, SEALED_REPORT, 'pi2', release, LEASE_MESSAGE_LIMIT);
    expect(openLeaseMessage(pi2, bytes ?? new Uint8Array())).toMatchObject({ reason: 'malformed' });
  });

  test('witnesses with their own bundle reach eligible nodes and nobody else', () => {
    const shelf = ringOf('shelf', true);
    const learn: LeaseMessage = { kind: 'learn', request: 'r1' };
    expect(openLeaseMessage(pi1, sealed('pi1', learn, shelf))).toMatchObject({ from: 'shelf' });
    expect(openLeaseMessage(shelf, sealed('shelf', learn))).toMatchObject({ from: 'pi1' });
    expect(sealLeaseMessage(shelf, 'attic', learn)).toBeNull();
  });

  test('nothing is sealed for a stranger', () => {
    expect(sealLeaseMessage(pi1, 'stranger', release)).toBeNull();
  });
});

describe('a right seal around a wrong message', () => {
  const refused = (value: unknown, from = pi1) => {
    const opened = openLeaseMessage(pi2, sealedValue(value, from));
    return opened.ok ? 'accepted' : opened.reason;
  };

  test('the message these tests change is a good one', () => {
    expect(refused(release)).toBe('accepted');
  });

  test.each([
    ['no object', 7],
    ['null', null],
    ['an unknown kind', { ...release, kind: 'grab' }],
    ['a kind of every object', { ...release, kind: 'toString' }],
    ['a missing field', { ...release, last_revision: undefined }],
    ['a negative epoch', { ...release, epoch: -1 }],
    ['half an epoch', { ...release, epoch: 1.5 }],
    ['an epoch beyond exact numbers', { ...release, epoch: 2 ** 53 }],
    ['an epoch as text', { ...release, epoch: '3' }],
    ['a name with capitals', { ...release, successor: 'PI2' }],
    ['a name of 64 characters', { ...release, successor: 'n'.repeat(64) }],
    ['a short nonce', { ...release, ballot: { ...release.ballot, nonce: 'abc' } }],
    ['an empty request', { kind: 'learn', request: '' }],
    ['a request with a line end', { kind: 'learn', request: 'a\nb' }],
  ])('%s is refused', (_name, value) => {
    expect(refused(value)).toBe('message-invalid');
  });

  test('a host that would break a line of the hosts file is refused', () => {
    const announce = {
      kind: 'announce',
      epoch: 1,
      master: 'pi1',
      stage: 'serving',
      api_host: '10.0.0.1',
      api_port: 6443,
      first_revision: 0,
    };
    expect(refused(announce)).toBe('accepted');
    for (const api_host of ['', '10.0.0.1\nevil', '10.0.0.1 evil', 'a'.repeat(254)]) {
      expect(refused({ ...announce, api_host })).toBe('message-invalid');
    }
    expect(refused({ ...announce, api_port: 0 })).toBe('message-invalid');
  });

  test('lists are bounded and hold no name twice', () => {
    const list = { epoch: 1, number: 1, members: ['pi1'], previous: [], committed: true };
    const learned = {
      kind: 'learned',
      request: 'r',
      answer: 'record',
      highest_epoch: 1,
      epoch_owner: null,
      list,
    };
    const withMembers = (members: string[]) => ({ ...learned, list: { ...list, members } });
    const many = Array.from({ length: MOST_NODES + 1 }, (_, index) => `n${index}`);
    expect(refused(learned)).toBe('accepted');
    expect(refused(withMembers(many.slice(1)))).toBe('accepted');
    expect(refused(withMembers(many))).toBe('message-invalid');
    expect(refused(withMembers(['pi1', 'pi1']))).toBe('message-invalid');
  });

  test('nobody speaks in the name of another', () => {
    const ofOther = { ...release, ballot: { ...release.ballot, node: 'shelf' } };
    expect(refused(ofOther)).toBe('not-its-own');
  });

  test('a node that is not eligible cannot ask for the lease, release or announce', () => {
    const own = { ...release, ballot: { ...release.ballot, node: 'shelf' } };
    expect(refused(own, ringOf('shelf', true))).toBe('not-its-own');
  });
});

describe('random input', () => {
  test('random bytes are refused, never thrown at anybody', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(openLeaseMessage(pi2, bytes).ok).toBe(false);
      }),
    );
  });

  test('a cut message is refused at every length', () => {
    const bytes = sealed('pi2', release);
    for (let length = 0; length < bytes.length; length += 1) {
      expect(openLeaseMessage(pi2, bytes.subarray(0, length)).ok).toBe(false);
    }
  });

  test('random JSON under a right seal is refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(openLeaseMessage(pi2, sealedValue(value)).ok).toBe(false);
        expect(validateLeaseMessage(value)).toBeNull();
      }),
    );
  });

  test('a message with any one field replaced is accepted only if it is still well formed', () => {
    fc.assert(
      fc.property(anyMessage('pi1'), fc.nat(), fc.jsonValue(), (message, at, value) => {
        const keys = Object.keys(message);
        const altered = { ...message, [keys[at % keys.length] ?? 'kind']: value };
        const opened = openLeaseMessage(pi2, sealedValue(altered));
        if (opened.ok) expect(JSON.parse(JSON.stringify(altered))).toMatchObject(opened.message);
      }),
    );
  });

  test('20 MiB are refused without being looked at', () => {
    const bytes = new Uint8Array(20 * 1024 * 1024);
    expect(openLeaseMessage(pi2, bytes)).toEqual({ ok: false, reason: 'too-large' });
  });
});

test('a message too large to send is our own bug', () => {
  const reason = 'x'.repeat(LEASE_MESSAGE_LIMIT);
  const refuse = { kind: 'refuse', reason } as unknown as LeaseMessage;
  expect(() => sealLeaseMessage(pi1, 'pi2', refuse)).toThrow(/bytes/);
});
