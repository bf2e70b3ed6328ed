/**
 * The lease file in /run: what the gate and the dead man's switch judge (systemd/*.sh).
 *
 * Lines `key=value`, so that a POSIX shell reads them without a parser. The deadline is the
 * **self-fence deadline** on the boot clock, together with this boot's id: a file that survives a
 * reboot (a /run on disk) is worth nothing. Closing the gate removes the file; that it is gone is
 * enough for both readers. /run is memory, so nothing is synced.
 *
 * Does not promise that the server is stopped: that is the fence's work.
 * Source: DESIGN section 3, points 1 and 3.
 */
import { BatonError } from '../../shared/errors/baton-error.ts';
import type { Files } from '../../shared/ports/files.ts';
import type { NodeName } from '../../shared/protocol/lease-messages.ts';
import type { Instant } from '../../shared/time/duration.ts';

export interface LeaseFile {
  /** Content of /proc/sys/kernel/random/boot_id, without the line end. */
  readonly bootId: string;
  readonly owner: NodeName;
  readonly epoch: number;
  /** Self-fence deadline on this machine's boot clock. */
  readonly deadline: Instant;
}

/**
 * The file's text. The deadline is rounded **down** to whole milliseconds: a server may end early,
 * never late.
 * Errors: `invariant-broken` for a deadline or epoch that no lease can have.
 */
export const formatLeaseFile = (lease: LeaseFile): string => {
  const deadline = Math.floor(lease.deadline);
  const wellFormed =
    Number.isSafeInteger(deadline) &&
    deadline >= 0 &&
    Number.isSafeInteger(lease.epoch) &&
    lease.epoch > 0 &&
    /^[0-9a-f-]{1,64}$/.test(lease.bootId);
  if (!wellFormed) {
    throw new BatonError(
      'invariant-broken',
      'invariant',
      'a lease file needs a boot id, an epoch above 0 and a deadline on the boot clock',
      { context: { ...lease } },
    );
  }
  return (
    `boot_id=${lease.bootId}\nowner=${lease.owner}\n` +
    `epoch=${lease.epoch}\ndeadline_ms=${deadline}\n`
  );
};

/** Opens the gate until `lease.deadline`, or moves the deadline of an open one. */
export const openGate = (files: Files, path: string, lease: LeaseFile): void =>
  files.write(path, formatLeaseFile(lease), { sync: false, mode: 0o644 });

/** Closes the gate; harmless when it is closed. */
export const closeGate = (files: Files, path: string): void => files.remove(path);
