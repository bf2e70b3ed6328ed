/** Addresses of this machine that a test has for itself. */
import { randomBytes } from 'node:crypto';

/**
 * A net within 127/8, so that two test files never share an address. No connection begins from it
 * (that is 127.0.0.1 on loopback): a port that is free there stays free.
 */
export const ownNet = (): string => {
  const [second = 1, third = 1] = randomBytes(2);
  return `127.${(second % 200) + 20}.${third}`;
};
