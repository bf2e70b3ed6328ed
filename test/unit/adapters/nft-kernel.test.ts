/**
 * The data-path gate with the real nft and the real kernel, in namespaces that end with the test.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DataPathGate } from '../../../agent/actions/gate.ts';
import { nftGate, removeGate } from '../../../agent/adapters/nft-gate.ts';
import { systemClock } from '../../../shared/adapters/system-clock.ts';
import { systemProcesses } from '../../../shared/adapters/system-processes.ts';
import { after, type Duration, milliseconds, seconds } from '../../../shared/time/duration.ts';
import {
  type Client,
  makeNamespaces,
  mayMakeNamespaces,
  type Namespaces,
  type StoppingProcesses,
  stoppingProcesses,
} from './nft-namespaces.ts';

const PATIENT = { timeout: 120_000, interval: 20 };
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe.runIf(mayMakeNamespaces)('nft and the kernel', () => {
  let place: Namespaces;
  let processes: StoppingProcesses;
  let gate: DataPathGate;
  /** What the gate takes for the time beyond the true one. */
  let ahead: Duration;
  const clock = systemClock();
  const now = () => after(clock.now(), ahead);
  const allow = (duration: Duration) => gate.allow(after(now(), duration));
  const open = () => elements(place).includes('6443');
  const answered = (from: Client) => {
    const before = place.answers(from);
    return expect.poll(() => place.answers(from), PATIENT).toBeGreaterThan(before);
  };

  /**
   * Renewed until somebody is let through: a busy machine may need several leases for that, and a
   * held connection that the gate has cut tries again at growing intervals.
   */
  const letThrough = (from: Client, lease: Duration) => {
    const before = place.answers(from);
    const look = () => {
      allow(lease);
      return place.answers(from);
    };
    return expect.poll(look, { ...PATIENT, interval: 250 }).toBeGreaterThan(before);
  };

  /** Those that were on their way to this process are through, and no more come. */
  const silent = (from: Client) => {
    const inHalfASecond = async () => {
      const before = place.answers(from);
      await pause(500);
      return place.answers(from) - before;
    };
    return expect.poll(inHalfASecond, PATIENT).toBe(0);
  };

  beforeAll(async () => {
    place = await makeNamespaces();
  });
  afterAll(() => place.close());
  beforeEach(async () => {
    ahead = milliseconds(0);
    processes = stoppingProcesses(systemProcesses());
    gate = await nftGate({ processes, now, command: place.command }, [6443]);
    expect(gate.problem()).toBeNull();
  });
  afterEach(() => {
    gate.shut();
    gate.close();
    place.nft('delete table inet baton');
  });

  test('shut, open for a lease and shut by the kernel alone; loopback always passes', async () => {
    await answered('loopback');
    await silent('cable');
    await letThrough('cable', seconds(3));
    await expect.poll(open, PATIENT).toBe(false);
    await silent('cable');
    await answered('loopback');
    expect(gate.problem()).toBeNull();
  });

  test('an established connection gets no more answers than a new one', async () => {
    await letThrough('held', seconds(3));
    await expect.poll(open, PATIENT).toBe(false);
    await silent('held');
    // This is what rules that spare it would do.
    for (const chain of ['input', 'output']) {
      place.nft(`insert rule inet baton ${chain} ct state established accept`);
    }
    // Only these make the kernel follow connections: it must see this one go both ways.
    await letThrough('held', seconds(5));
    await expect.poll(open, PATIENT).toBe(false);
    await pause(1000);
    await answered('held');
  });

  test('a line that comes after the deadline lets no packet through', async () => {
    await silent('cable');
    const before = place.answers('cable');
    processes.stopBefore('add element inet baton lease');
    allow(seconds(2));
    await expect.poll(() => processes.isStopped, PATIENT).toBe(true);
    await pause(2100);
    expect(place.answers('cable')).toBe(before);
    process.kill(processes.pid, 'SIGCONT');
    for (let look = 0; look < 20; look += 1) {
      expect(open()).toBe(false);
      await pause(50);
    }
    expect(place.answers('cable')).toBe(before);
    await expect.poll(gate.problem, PATIENT).toMatch(/refused/);
  });

  test('frozen before the ticket, it opens only for what is left after that', async () => {
    await silent('cable');
    processes.stopBefore('add element inet baton ticket');
    const deadline = after(now(), seconds(8));
    gate.allow(deadline);
    await pause(4000);
    process.kill(processes.pid, 'SIGCONT');
    await answered('cable');
    const [, expires] = /expires (?:(\d)s)?/.exec(elements(place)) ?? [];
    expect(Number(expires ?? 0)).toBeLessThan(4);
    await expect.poll(open, PATIENT).toBe(false);
  });

  test('an nft that hangs is replaced while what it opened still lasts', async () => {
    allow(seconds(9));
    await answered('cable');
    process.kill(processes.pid, 'SIGSTOP');
    const hanging = processes.pid;
    allow(seconds(9));
    ahead = seconds(1);
    allow(seconds(60));
    expect(processes.pid).not.toBe(hanging);
    await expect.poll(() => elements(place), PATIENT).toMatch(/6443 timeout 5\ds/);
    await expect.poll(() => processes.signal(hanging, 'probe'), PATIENT).toBe(false);
  });

  test('a younger process takes over after a thousand renewals, and it stays open', async () => {
    allow(seconds(60));
    await expect.poll(open, PATIENT).toBe(true);
    const old = processes.pid;
    const isKept = () => processes.signal(old, 'probe');
    while (isKept()) {
      allow(seconds(60));
      await pause(2);
    }
    expect([isKept(), open()]).toEqual([false, true]);
    allow(seconds(90));
    await expect.poll(() => elements(place), PATIENT).toMatch(/6443 timeout 1m2\ds/);
    gate.shut();
    await expect.poll(open, PATIENT).toBe(false);
    expect(gate.problem()).toBeNull();
  });

  test('a table that somebody removed comes back with the next renewal', async () => {
    allow(seconds(9));
    await answered('cable');
    place.nft('flush ruleset');
    allow(seconds(60));
    await expect.poll(() => elements(place), PATIENT).toMatch(/6443 timeout 4\ds/);
    expect(gate.problem()).toMatch(/No such file/);
    expect(place.nft('list ruleset').match(/ drop$/gm)).toHaveLength(2);
    allow(seconds(60));
    await expect.poll(gate.problem, PATIENT).toBeNull();
    place.nft('flush ruleset');
    gate.shut();
    await expect.poll(() => place.nft('list ruleset'), PATIENT).toContain('drop');
    expect(open()).toBe(false);
  });

  test('an agent that starts anew leaves an open gate open', async () => {
    allow(seconds(60));
    await expect.poll(open, PATIENT).toBe(true);
    gate.close();
    gate = await nftGate({ processes, now, command: place.command }, [6443]);
    expect(open()).toBe(true);
  });

  test('where none is wanted the old one goes, and with it what it dropped', async () => {
    const where = { processes, now, command: place.command };
    await silent('cable');
    expect(await removeGate(where)).toBeNull();
    await answered('cable');
    expect(await removeGate(where)).toBeNull();
    place.nft('add table inet baton');
  });
});

const elements = (place: Namespaces): string => place.nft('list set inet baton lease');
