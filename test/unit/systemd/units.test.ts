/**
 * The shipped units as systemd reads them, and their times against those of the code.
 *
 * A tree of its own is installed as the machine lab installs it; `systemd-analyze verify` says what
 * it does not understand, and the presets are applied for real.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { STOP_GRACE } from '../../../agent/actions/steps.ts';
import { FLUSH_LIMIT } from '../../../agent/actions/stream-tenure.ts';
import { loadAgentSettings } from '../../../agent/config.ts';
import { MOST_RECEIVERS } from '../../../agent/core/promotion.ts';
import { MASTER_LEAVES } from '../../../agent/wiring/ending.ts';
import { configure, copyFiles, SHIPPED, targetOf } from '../../lab/machines/install.ts';

const has = (command: string): boolean => spawnSync(command, ['--version']).status === 0;
const systemd = ['systemctl', 'systemd-analyze', 'systemd-sysusers'].every(has);
const k3sUnits = join(import.meta.dirname, '../../lab/machines/units');
/** systemd's own targets, which our units order themselves after. */
const hostUnits = ['/usr/lib/systemd/system', '/lib/systemd/system'].find(existsSync) ?? '';
const units = readdirSync(SHIPPED).filter((name) => name.endsWith('.service'));
let root = '';

const installTree = (): void => {
  const system = join(root, 'usr/lib/systemd/system');
  const bundles = join(root, 'bundles');
  for (const folder of [system, bundles, join(root, 'usr/local/bin'), join(root, 'etc')]) {
    mkdirSync(folder, { recursive: true });
  }
  if (hostUnits !== '') {
    for (const name of readdirSync(hostUnits).filter((one) => one.endsWith('.target'))) {
      cpSync(join(hostUnits, name), join(system, name), { recursive: true });
    }
  }
  cpSync(k3sUnits, system, { recursive: true });
  const program = join(root, 'usr/local/bin/k3s');
  writeFileSync(program, '#!/bin/sh\n');
  chmodSync(program, 0o755);
  copyFiles(root, { node: program, bundles });
  for (const folder of ['bin', 'usr/bin']) {
    mkdirSync(join(root, folder), { recursive: true });
    cpSync(program, join(root, folder, 'systemctl'));
  }
};

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'baton-units-'));
  installTree();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Value of the last `key=` in the unit, or `system.conf`, and its drop-ins; null for none. */
const setting = (unit: string, key: string): string | null => {
  const folder = join(SHIPPED, `${unit}.d`);
  const dropIns = existsSync(folder) ? readdirSync(folder).map((one) => join(folder, one)) : [];
  const files = [join(SHIPPED, unit), ...dropIns].filter(existsSync);
  const values = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) =>
      name === key ? (value ?? '') : null,
    ),
  );
  return values.findLast((value) => value !== null) ?? null;
};

/** `5s`, `500ms` → milliseconds. */
const span = (text: string | null): number => {
  const [, number, unit] = /^(\d+)(ms|s)$/.exec(text ?? '') ?? [];
  return Number(number) * (unit === 's' ? 1000 : 1);
};

test('everything in systemd/ but its documents is installed', () => {
  expect(readdirSync(SHIPPED).filter((name) => targetOf(name) === null)).toEqual([
    'INSTALL.md',
    'README.md',
  ]);
});

describe.runIf(systemd)('as systemd reads them', () => {
  test.each([...units, 'k3s.service', 'k3s-agent.service'])('%s verifies', (unit) => {
    const seen = spawnSync('systemd-analyze', ['verify', '--man=no', `--root=${root}`, unit], {
      encoding: 'utf8',
    });
    expect(seen.stderr).toBe('');
    expect(seen.status).toBe(0);
  });

  test('the presets enable baton and never k3s', () => {
    configure(root);
    const names = units.map((unit) => unit.replace('.service', ''));
    const states = [...names, 'k3s', 'k3s-agent'].map((name) => {
      const unit = `${name}.service`;
      const { stdout } = spawnSync('systemctl', [`--root=${root}`, 'is-enabled', unit], {
        encoding: 'utf8',
      });
      return `${name} ${stdout.trim()}`;
    });
    expect(states).toEqual([
      'baton-agent enabled',
      'baton-coordinator enabled',
      'baton-deadman enabled',
      // The agent wants it.
      'baton-shutdown static',
      'k3s disabled',
      'k3s-agent disabled',
    ]);
    expect(readFileSync(join(root, 'etc/group'), 'utf8')).toMatch(/^baton:/m);
    expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toMatch(/^baton-coordinator:/m);
  });
});

test('agent and gate see the same boot id, in a container too', () => {
  // Each of these brings a /proc of its own, which shows the boot id of the host.
  for (const key of [
    'ProtectControlGroups',
    'ProtectProc',
    'ProcSubset',
    'ProtectKernelTunables',
  ]) {
    expect(setting('baton-agent.service', key)).toBeNull();
  }
});

describe('the order of a shutdown', () => {
  const named = (unit: string, key: string): string[] => (setting(unit, key) ?? '').split(' ');
  const k3s = ['k3s.service', 'k3s-agent.service'];

  test('a start of the agent waits for no start of k3s', () => {
    // Nor for baton-shutdown, whose start does wait for k3s.
    expect(named('baton-agent.service', 'After')).toEqual([
      'baton-deadman.service',
      'network.target',
    ]);
    expect(setting('baton-shutdown.service', 'Before')).toBeNull();
  });

  test('k3s waits for the agent’s end, longer than the agent has for it', () => {
    expect(named('baton-shutdown.service', 'After')).toEqual(k3s);
    expect(setting('baton-shutdown.service', 'ExecStop')).toBe(
      'systemctl stop baton-agent.service',
    );
    const [all, own] = ['baton-shutdown.service', 'baton-agent.service'].map((unit) =>
      span(setting(unit, 'TimeoutStopSec')),
    );
    expect(all).toBeGreaterThan(own ?? 0);
  });

  test.each(k3s)('%s is started without the process that writes k3s’s log', (unit) => {
    expect(setting(unit, 'Environment')).toBe('_K3S_LOG_REEXEC_=true');
  });
});

describe('times of units and code', () => {
  const loaded = loadAgentSettings(
    'node: { name: a }\ncluster: { nodes: [{ name: a, address: 192.168.1.1 }] }\n',
    'agent.yaml',
  );
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.problems));
  const { lease } = loaded.settings;

  test('an agent that died is back before its lease needs it', () => {
    const restart = span(setting('baton-agent.service', 'RestartSec'));
    expect(restart + lease.renew_interval_ms).toBeLessThan(lease.fence_after_ms / 2);
  });

  test('systemd waits longer for the agent than the agent for its move', () => {
    const stop = span(setting('baton-agent.service', 'TimeoutStopSec'));
    expect(stop).toBeGreaterThan(MASTER_LEAVES + STOP_GRACE);
    // A receiver that has just started, the stop, and two receivers to try.
    const able = lease.lease_duration_ms + 6 * lease.renew_interval_ms;
    const flushes = MOST_RECEIVERS * FLUSH_LIMIT;
    expect(MASTER_LEAVES).toBeGreaterThan(able + STOP_GRACE + flushes);
  });

  test('systemd kills a server that does not stop when the agent does', () => {
    expect(span(setting('k3s.service', 'TimeoutStopSec'))).toBe(STOP_GRACE);
  });

  test('a kernel that hangs is reset before the watchdog of a Pi is at its end', () => {
    const limit = span(setting('system.conf', 'RuntimeWatchdogSec'));
    expect(limit).toBeGreaterThan(0);
    expect(limit).toBeLessThanOrEqual(15_000);
  });

  test.each(['baton-agent.service', 'baton-coordinator.service'])(
    'systemd starts %s again when its loop hangs, and writes no core file',
    (unit) => {
      // Fed at half of it: shared/adapters/service-notify.ts.
      expect(span(setting(unit, 'WatchdogSec'))).toBe(20_000);
      expect(setting(unit, 'WatchdogSignal')).toBe('SIGKILL');
      expect(setting(unit, 'Restart')).toBe('always');
    },
  );

  test.each(['baton-agent.service', 'baton-coordinator.service'])(
    '%s tells what it needs a person for',
    (unit) => {
      expect(setting(unit, 'RestartPreventExitStatus')).toBe('2');
      expect(setting(unit, 'Type')).toBe('notify');
      // systemd-notify is another process than the daemon.
      expect(setting(unit, 'NotifyAccess')).toBe('all');
    },
  );
});

describe.runIf(process.platform === 'linux')('the stop script', () => {
  const script = join(SHIPPED, 'baton-agent-stop.sh');

  /** The signal that a process gets when it is stopped; `jobs` is what systemctl lists. */
  const told = async (jobs: string, seconds = 0): Promise<string> => {
    const bin = mkdtempSync(join(root, 'bin-'));
    writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\nsleep ${seconds}\necho '${jobs}'\n`);
    chmodSync(join(bin, 'systemctl'), 0o755);
    const traps = 'for name in HUP TERM; do trap "echo $name; exit" $name; done';
    const victim = spawn('sh', ['-c', `${traps}; echo up; while :; do sleep 0.05; done`]);
    let words = '';
    victim.stdout.on('data', (chunk) => {
      words += chunk;
    });
    const ended = once(victim, 'close');
    await once(victim.stdout, 'data');
    const env = { PATH: `${bin}:${process.env.PATH}` };
    const [status] = await once(spawn(script, [String(victim.pid)], { env }), 'exit');
    expect(status).toBe(0);
    await ended;
    return words.replace('up', '').trim();
  };

  test('a restart leaves everything as it is', async () => {
    expect(await told('7 baton-agent.service restart running')).toBe('HUP');
  });

  test('waits for the answer of a loaded systemd', async () => {
    expect(await told('7 baton-agent.service restart running', 3)).toBe('HUP');
  });

  test('a stop gives the role away', async () => {
    expect(await told('7 baton-agent.service stop running')).toBe('TERM');
  });

  test('no process is nothing to stop', () => {
    expect(spawnSync(script, []).status).toBe(0);
    expect(spawnSync(script, ['-1']).status).toBe(0);
  });
});
