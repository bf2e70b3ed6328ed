/** Direct links between real sockets: who is let in, who is not, and what each end is told. */
import { expect, test } from 'vitest';
import { milliseconds } from '../../../shared/time/duration.ts';
import {
  afterwards,
  dial,
  end,
  failureOf,
  frameOf,
  host,
  nodes,
  ringOf,
  until,
} from './link-rig.ts';

test('a node that is not eligible reaches an eligible one, and both know each other', async () => {
  const master = end('pi1');
  await master.listen();
  const link = await dial(end('shelf'), master, 'pi1', 'bulk');
  expect(link.peer).toBe('pi1');
  expect(link.purpose).toBe('bulk');
  await until(() => master.taken.length === 1);
  expect(master.taken[0]?.peer).toBe('shelf');
  expect(master.taken[0]?.purpose).toBe('bulk');
  expect(master.told).toEqual([]);
});

test('a wrong cluster key is refused at both ends, and told only once', async () => {
  const master = end('pi1');
  await master.listen();
  const wrong = end('pi2', { keyring: ringOf('pi2', 8) });
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const failure = await failureOf(dial(wrong, master, 'pi1'));
    expect(failure.code).toBe('link-key-refused');
    expect(failure.text).toMatch(/same cluster key.*Copy the key file/);
  }
  await until(() => master.links.problems()['link-key-refused'] === 5);
  expect(master.told).toHaveLength(1);
  expect(master.told[0]).toMatchObject({ code: 'link-key-refused', node: 'pi2' });
  expect(master.told[0]?.text).toMatch(/same cluster key.*Copy the key file/);
  expect(master.taken).toEqual([]);
});

test('trouble that comes back after a good link is told again', async () => {
  const master = end('pi1');
  await master.listen();
  const wrong = end('pi2', { keyring: ringOf('pi2', 8) });
  await failureOf(dial(wrong, master, 'pi1'));
  const right = await dial(end('pi2'), master, 'pi1');
  right.close('enough');
  await failureOf(dial(wrong, master, 'pi1'));
  await until(() => master.told.length === 2);
});

test('a node that the settings do not name is refused at both ends', async () => {
  const master = end('pi1');
  await master.listen();
  const known = [...nodes, { name: 'stranger', eligible: true }];
  const stranger = end('stranger', { keyring: ringOf('stranger', 7, known) });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const failure = await failureOf(dial(stranger, master, 'pi1'));
    expect(failure).toMatchObject({ code: 'link-refused' });
    expect(failure.text).toContain('cluster.nodes');
  }
  await until(() => master.links.problems()['link-refused'] === 3);
  expect(master.told.map(({ code, node }) => [code, node])).toEqual([['link-refused', 'stranger']]);
});

test('a node that holds no key of the dialler cannot be dialled', async () => {
  const witness = end('shelf', {
    keyring: ringOf('shelf', 7, [{ name: 'shelf', eligible: false }]),
  });
  await witness.listen();
  expect(await failureOf(dial(end('pi1'), witness, 'shelf'))).toMatchObject({
    code: 'link-refused',
  });
});

test('an address that belongs to another node is refused with both names', async () => {
  const other = end('pi2');
  await other.listen();
  const failure = await failureOf(dial(end('shelf'), other, 'pi1'));
  expect(failure.code).toBe('link-refused');
  expect(failure.text).toContain('it asked for pi1, and this is pi2');
  expect(other.taken).toEqual([]);
});

test('a second machine under the name of a live one is refused; both ends say so', async () => {
  const master = end('pi1');
  await master.listen();
  const first = await dial(end('pi2'), master, 'pi1');
  first.onFrame(() => undefined);
  const second = end('pi2');
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const failure = await failureOf(dial(second, master, 'pi1'));
    expect(failure.code).toBe('duplicate-node');
    expect(failure.text).toContain('two machines run under that node name');
  }
  expect(master.told.map(({ code, node }) => [code, node])).toEqual([['duplicate-node', 'pi2']]);
  expect(master.links.problems()['duplicate-node']).toBe(3);
  expect(first.send(frameOf('lease', 'still here'))).toBe(true);
  expect(master.taken).toHaveLength(1);
});

test('a node that finds its own name at the other end of a link says so', async () => {
  const one = end('pi1');
  await one.listen();
  const failure = await failureOf(dial(end('pi1'), one, 'pi1'));
  expect(failure.code).toBe('duplicate-node');
  expect(one.told.map(({ code }) => code)).toEqual(['duplicate-node']);
});

test('a node that reaches itself by a wrong address is refused, and is no duplicate', async () => {
  const one = end('pi1');
  await one.listen();
  const failure = await failureOf(dial(one, one, 'pi1'));
  expect(failure.code).toBe('link-refused');
});

test('a process that was started again takes the place of a silent one', async () => {
  const master = end('pi1');
  await master.listen();
  // Never reads: as a machine that lost its power, whose kernel sent no goodbye.
  await dial(end('pi2'), master, 'pi1');
  await until(() => master.taken.length === 1);
  const reasons: string[] = [];
  master.taken[0]?.onClose((reason) => reasons.push(reason));
  await dial(end('pi2'), master, 'pi1');
  await until(() => master.taken.length === 2 && reasons.length === 1);
  expect(reasons).toEqual(['its process was started again']);
  expect(master.told).toEqual([]);
});

test('a peer that falls silent counts as gone', async () => {
  const bounds = { lease: { keepalive: milliseconds(20), idle: milliseconds(100) } };
  const master = end('pi1', { bounds });
  await master.listen();
  // This end never sends a ping of its own within the other's patience.
  await dial(end('pi2'), master, 'pi1');
  await until(() => master.taken.length === 1);
  const reason = await new Promise<string>((resolve) => master.taken[0]?.onClose(resolve));
  expect(reason).toMatch(/nothing was heard/);
});

test('an idle link stays up by its pings alone', async () => {
  const bounds = { lease: { keepalive: milliseconds(20), idle: milliseconds(500) } };
  const master = end('pi1', { bounds });
  await master.listen();
  const link = await dial(end('pi2', { bounds }), master, 'pi1');
  link.onFrame(() => undefined);
  let closed = false;
  link.onClose(() => {
    closed = true;
  });
  // Three times as long as a dead peer would be given.
  await new Promise((resolve) => setTimeout(resolve, 1500));
  expect(closed).toBe(false);
  expect(link.send(frameOf('lease'))).toBe(true);
});

test('a port that is taken is said with what to do', async () => {
  const first = end('pi1');
  await first.listen();
  const attempt = end('pi1').links.listen({ host, port: first.port }, () => undefined);
  const failure = await failureOf(attempt);
  expect(failure.code).toBe('port-in-use');
  expect(failure.text).toMatch(/ss -ltnp.*link_port/);
});

test('an address that this machine does not have is said as such', async () => {
  const attempt = end('pi1').links.listen({ host: '192.0.2.1', port: 0 }, () => undefined);
  expect((await failureOf(attempt)).text).toContain('no address 192.0.2.1');
});

test('nobody listening, and nobody answering, are two different answers', async () => {
  const gone = end('pi1');
  await gone.listen();
  await gone.close();
  const dialler = end('pi2');
  expect(await failureOf(dial(dialler, gone, 'pi1'))).toMatchObject({ code: 'link-refused' });

  const { createServer } = await import('node:net');
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, host, resolve));
  afterwards(() => void mute.close());
  const { port } = mute.address() as { port: number };
  const target = { node: 'pi1', host, port, purpose: 'lease' } as const;
  const failure = await failureOf(dialler.links.dial(target, milliseconds(100)));
  expect(failure.code).toBe('link-timeout');
});

test('closing the port says goodbye to the peers and frees it', async () => {
  const master = end('pi1');
  await master.listen();
  const link = await dial(end('pi2'), master, 'pi1');
  link.onFrame(() => undefined);
  const reason = new Promise<string>((resolve) => link.onClose(resolve));
  await master.close();
  expect(await reason).toBe('the peer closed: the peer stopped listening');
  const again = end('pi1');
  const listening = await again.links.listen({ host, port: master.port }, () => undefined);
  await listening.close();
});
