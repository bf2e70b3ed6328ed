/** What a client makes of a handshake that failed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { handshakeFailure } from '../../../shared/net/mqtt-tls.ts';
import { brokerRig, testKey } from '../coordinator/broker-rig.ts';
import { dialBroker } from '../coordinator/raw-mqtt.ts';

const failureOf = (attempt: Promise<unknown>): Promise<unknown> =>
  attempt.then(
    () => 'was let in',
    (error: unknown) => handshakeFailure(error),
  );

describe('a failed handshake', () => {
  it('tells a wrong key from an unknown name, as OpenSSL really says it', async () => {
    const rig = await brokerRig();
    const { port } = rig.broker;
    expect(await failureOf(dialBroker(port, 'pi2', testKey('another')))).toEqual({
      kind: 'key',
      words: 'the keys differ',
    });
    expect(await failureOf(dialBroker(port, 'pi9'))).toEqual({
      kind: 'key',
      words: 'it does not know this name',
    });
    // The readers' door speaks no TLS.
    expect(await failureOf(dialBroker(rig.broker.readerPort ?? 0, 'pi2'))).not.toBe('was let in');
    await rig.close();
  });

  it('is not taken for one when the network fails', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', undefined]) {
      expect(handshakeFailure(Object.assign(new TypeError('x'), { code }))).toBeNull();
    }
    expect(handshakeFailure({ code: 'EPROTO', message: 'wrong version number' })).toMatchObject({
      kind: 'not-tls',
    });
  });

  it('is looked for in anything', () => {
    fc.assert(fc.property(fc.anything(), (value) => void handshakeFailure(value)));
  });
});
