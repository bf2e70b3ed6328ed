/** The datastore's line: what fails in it is told and tried again, and what is over is not done. */
import { describe, expect, it } from 'vitest';
import type { StepResult } from '../../../agent/actions/datastore-steps.ts';
import { createReplication } from '../../../agent/actions/replication.ts';
import type {
  ArchiveStore,
  Datastore,
  FollowTarget,
  InstallResult,
  RevisionSource,
  StreamReceiver,
  StreamSender,
} from '../../../agent/stream/api.ts';
import { BatonError } from '../../../shared/errors/baton-error.ts';
import { fakeClock } from '../../../shared/ports/fakes/fake-clock.ts';
import { type Duration, minutes, seconds } from '../../../shared/time/duration.ts';

const full = () => new BatonError('disk-full', 'operational', 'no space is left');
const order = {
  step: 'install_datastore',
  raise: true,
  previousMaster: 'b',
  from: 'replica',
  epoch: 4,
} as const;
const targetOf = (node: string, epoch: number): FollowTarget => ({
  node,
  host: '127.0.0.9',
  port: 7947,
  epoch,
});

function rig() {
  const clock = fakeClock();
  const findings: string[] = [];
  const calls: string[] = [];
  /** Work of the datastore that fails or has to wait. */
  const broken = new Set<string>();
  const gates = new Map<string, Promise<void>>();
  const work = async (name: string): Promise<void> => {
    await gates.get(name);
    calls.push(name);
    if (broken.has(name)) throw full();
  };
  const source = { onChange: () => () => {} } as unknown as RevisionSource;
  const datastore = {
    facts: () => ({ lineageEpoch: 1, revision: 5, clean: true, source: 'server' as const }),
    checked: async () => true,
    savedWaits: () => false,
    startSource: () => {
      calls.push('startSource');
      if (broken.has('startSource')) throw full();
      return source;
    },
    stopSource: () => calls.push('stopSource'),
    serverStopped: () => work('serverStopped'),
    serverStarting: () => {},
    async install(): Promise<InstallResult> {
      await work('install');
      return { ok: true, firstRevision: 7, lastTakenOver: 6, detail: '', needsArchive: true };
    },
    async retireServer() {
      await work('retire');
      return { kind: 'nothing' };
    },
    saveReplica: () => work('save'),
    close: () => {},
  } as unknown as Datastore;
  const sender = {
    close: () => {},
    receivers: () => {
      if (broken.has('receivers')) throw full();
      return [];
    },
  } as unknown as StreamSender;
  const receiver = {
    follow: (target: FollowTarget | null) => calls.push(`follow ${target?.node ?? 'nobody'}`),
    close: () => {},
  } as unknown as StreamReceiver;
  const replication = createReplication({
    clock,
    datastore,
    archives: {} as ArchiveStore,
    receiver,
    createSender: () => sender,
    post: () => {},
    acknowledged: () => {},
    finding: ({ text }) => findings.push(text),
    serverGone: async () => true,
    saveInterval: minutes(60),
  });
  return { clock, findings, calls, broken, gates, replication };
}

const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('what fails', () => {
  it('a datastore that cannot be put on the disk does not keep a node from receiving', async () => {
    const { findings, calls, broken, replication } = rig();
    replication.serverUp(1);
    await settle();
    replication.serverStopped();
    broken.add('serverStopped');
    replication.follow(targetOf('b', 2));
    await settle();
    expect(calls.at(-1)).toBe('follow b');
    expect(findings.join()).toContain('no space is left');
  });

  it('a move to quarantine that throws is tried again', async () => {
    const { clock, findings, calls, broken, replication } = rig();
    broken.add('retire');
    replication.follow(targetOf('b', 2));
    await settle();
    expect(findings.join()).toContain('no space is left');
    broken.clear();
    clock.advance(minutes(1));
    await settle();
    expect(calls.at(-1)).toBe('follow b');
  });

  it('a source that does not open at the server’s start is tried again', async () => {
    const { clock, calls, broken, replication } = rig();
    broken.add('startSource');
    replication.serverUp(1);
    await settle();
    broken.clear();
    calls.length = 0;
    clock.advance(minutes(1));
    await settle();
    expect(calls).toEqual(['startSource']);
    clock.advance(minutes(1));
    await settle();
    expect(calls).toEqual(['startSource']);
  });

  it('and given up once the tenure is over', async () => {
    const { clock, calls, broken, replication } = rig();
    broken.add('startSource');
    replication.serverUp(1);
    await settle();
    broken.clear();
    replication.follow(targetOf('b', 2));
    await settle();
    clock.advance(minutes(1));
    await settle();
    expect(calls.filter((call) => call === 'startSource')).toHaveLength(1);
    expect(calls).toContain('follow b');
  });

  it('a datastore that cannot be read costs the report its receivers, not the agent', async () => {
    const { findings, broken, replication } = rig();
    replication.serverUp(1);
    await settle();
    broken.add('receivers');
    expect(replication.receivers()).toEqual([]);
    expect(findings.join()).toContain('no space is left');
  });
});

describe('the replica on the disk', () => {
  const saves = (calls: readonly string[]) => calls.filter((call) => call === 'save').length;

  it('is written soon after a change of master, then hourly, and not in between', async () => {
    const { clock, calls, replication } = rig();
    const pass = async (time: Duration): Promise<void> => {
      clock.advance(time);
      await settle();
    };
    replication.follow(targetOf('b', 2));
    await pass(seconds(10));
    expect(saves(calls), 'a small datastore is being copied still').toBe(0);
    await pass(seconds(10));
    expect(saves(calls)).toBe(1);
    await pass(minutes(59));
    expect(saves(calls), 'cards wear').toBe(1);
    await pass(minutes(1));
    expect(saves(calls)).toBe(2);
    // The same master again is no change.
    replication.follow(targetOf('b', 2));
    await pass(minutes(30));
    expect(saves(calls)).toBe(2);
    replication.follow(targetOf('c', 3));
    await pass(minutes(1));
    expect(saves(calls)).toBe(3);
  });

  it('is not written by a node that receives nothing', async () => {
    const { clock, calls } = rig();
    clock.advance(minutes(200));
    await settle();
    expect(saves(calls)).toBe(0);
  });
});

describe('the end', () => {
  it('writes what was received to the disk, and tries nothing any more', async () => {
    const { clock, calls, broken, replication } = rig();
    broken.add('retire');
    replication.follow(targetOf('b', 2));
    await settle();
    await replication.close(true);
    expect(calls).toContain('save');
    calls.length = 0;
    clock.advance(minutes(1));
    await settle();
    expect(calls).toEqual([]);
  });
});

describe('a promotion that was lost while its datastore waited in the line', () => {
  it('installs nothing any more, and the new master is received', async () => {
    const { calls, gates, replication } = rig();
    let open: () => void = () => {};
    gates.set(
      'retire',
      new Promise((resolve) => {
        open = resolve;
      }),
    );
    replication.follow(targetOf('b', 3));
    await settle();
    const installed: Promise<StepResult> = replication.installDatastore(order);
    // The lease ran out meanwhile, and c has won.
    replication.follow(targetOf('c', 5));
    open();
    expect((await installed).ok).toBe(false);
    await settle();
    expect(calls).not.toContain('install');
    expect(calls.at(-1)).toBe('follow c');
  });

  it('one that still counts is installed', async () => {
    const { calls, replication } = rig();
    replication.follow(targetOf('b', 3));
    await settle();
    expect(await replication.installDatastore(order)).toMatchObject({ ok: true, firstRevision: 7 });
    await settle();
    expect(calls.slice(-2)).toEqual(['follow nobody', 'install']);
  });
});
