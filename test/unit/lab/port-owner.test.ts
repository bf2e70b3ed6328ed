/** A taken port is told with the process that holds it. */
import { createServer } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { kernelAddress, listeningInode, portOwner } from '../../lab/port-owner.ts';

test('an address is written as the kernel writes it', () => {
  expect(kernelAddress('127.0.0.11', 6443)).toBe('0B00007F:192B');
  expect(kernelAddress('0.0.0.0', 80)).toBe('00000000:0050');
});

const table = [
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt uid timeout inode',
  '   0: 0B00007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1',
  '   1: 0B00007F:192C 0100007F:1F90 01 00000000:00000000 00:00000000 00000000 0 0 4712 1',
  '   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4713 1',
].join('\n');

test('only a listening socket counts, the wildcard address too', () => {
  expect(listeningInode(table, '127.0.0.11', 6443)).toBe('4711');
  expect(listeningInode(table, '127.0.0.11', 6444)).toBeNull();
  expect(listeningInode(table, '127.0.0.12', 6443)).toBeNull();
  expect(listeningInode(table, '127.0.0.12', 80)).toBe('4713');
});

test('any text is read without an error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const inode = listeningInode(text, '127.0.0.11', 6443);
      expect(inode === null || typeof inode === 'string').toBe(true);
    }),
  );
});

test('the listening process is found', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  expect(portOwner('127.0.0.1', port)).toBe(process.pid);
  await new Promise((resolve) => server.close(resolve));
  expect(portOwner('127.0.0.1', port)).toBeNull();
});
