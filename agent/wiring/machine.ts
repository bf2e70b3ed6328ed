/**
 * What this machine does for the lease: units, both gates, the dead man's switch, fence and steps.
 *
 * Which adapters stand behind them is decided here by the settings alone: `systemctl` on machines,
 * baton's own supervisor in the demo; nftables or nothing on the data path.
 */

import { seconds } from '../../shared/time/duration.ts';
import { createFence, FENCE_GRACE, type Fence } from '../actions/fence.ts';
import type { Finding } from '../actions/findings.ts';
import { createGate, type Gate } from '../actions/gate.ts';
import { serverInvocation } from '../actions/server-command.ts';
import { createSteps, type StepPlace, type Steps } from '../actions/steps.ts';
import type { UnitManager } from '../actions/unit-manager.ts';
import { armDeadman, type DeadmanSwitch } from '../adapters/deadman-switch.ts';
import { processSupervisor } from '../adapters/process-supervisor.ts';
import { readyProbe } from '../adapters/ready-probe.ts';
import { systemctlUnits } from '../adapters/systemctl-units.ts';
import { wallClockStep } from '../adapters/wall-clock.ts';
import { writeProblem } from '../adapters/write-access.ts';
import { dataPathGate } from './data-path.ts';
import type { Place } from './place.ts';

/** A server on a slow card, with a VACUUM of a large datastore before it. */
const READY_LIMIT = seconds(180);
const LOOPBACK = '127.0.0.1';

export interface Machine {
  readonly units: UnitManager;
  readonly gate: Gate;
  readonly fence: Fence;
  readonly steps: Steps;
  /** What does not work as it should, at this moment. */
  findings(): readonly Finding[];
  /** Leaves server, dead man's switch and gate as they are (a restart of the agent). */
  close(): void;
  /** After an orderly stop of the server: nothing is left running. */
  disarm(): void;
}

/** What the steps need of the rest of the agent. */
export type MachineNeeds = Pick<StepPlace, 'datastore' | 'serverUp' | 'told'>;

export async function assembleMachine(place: Place, needs: MachineNeeds): Promise<Machine> {
  const { settings, self, files, clock, processes, findings, log } = place;
  const { paths, k3s } = settings;
  const deadman = k3s.unit_manager === 'process' ? deadmanSwitch(place) : null;
  const units = unitManager(place);
  const dataPath = await dataPathGate(settings, { processes, now: clock.now });
  const gate = createGate({
    files,
    dataPath,
    path: paths.lease_file,
    bootId: place.bootId,
    owner: self.name,
  });
  // The two know each other: a fence cuts steps, and a start waits for the fence before it.
  let fence: Fence | null = null;
  const steps = createSteps({
    ...needs,
    units,
    wallNotBefore: wallClockStep({ processes, clock }, (sentence) => log.warn({}, sentence)),
    fenceSettled: async () => fence?.settled() ?? true,
    ready: readyProbe({ host: probeHost(place), port: k3s.api_port }, clock),
    readyBound: READY_LIMIT,
    post: place.post,
  });
  fence = createFence({
    units,
    steps,
    gate,
    clock,
    grace: FENCE_GRACE,
    problem: (detail) =>
      findings.note('fence-failed', `the server could not be stopped: ${detail}`),
  });
  const close = (): void => {
    units.close();
    deadman?.close();
    dataPath.close();
  };
  const troubles = (): readonly Finding[] => {
    const text = dataPath.problem();
    const shut = text === null ? [] : [{ code: 'data-path-gate', text }];
    return [...shut, ...unwritable(place)];
  };
  const disarm = (): void => deadman?.disarm();
  return { units, gate, fence, steps, findings: troubles, close, disarm };
}

/** What keeps this node from being master: the sandbox of its unit, or a card that fails. */
function unwritable({ settings, self }: Place): readonly Finding[] {
  if (!self.eligible) return [];
  const { k3s_data_dir: data, k3s_config_dir: config } = settings.paths;
  return [data, config].flatMap((path) => {
    const problem = writeProblem(path);
    if (problem === null) return [];
    const text =
      `No server can be put in place below ${path}: ${problem.message}. A place outside /etc and ` +
      '/var/lib needs ReadWritePaths= in a drop-in of baton-agent.service (systemd/INSTALL.md).';
    return [{ code: problem.code, text }];
  });
}

/** systemd's server listens everywhere; the supervisor's on the node's own address. */
const probeHost = ({ settings, self }: Place): string =>
  settings.k3s.unit_manager === 'systemd' ? LOOPBACK : self.address;

const unitDirectory = ({ settings }: Place): string => `${settings.paths.run_dir}/units`;

function unitManager(place: Place): UnitManager {
  const { settings, processes, clock, files, environment, script } = place;
  const { paths } = settings;
  if (settings.k3s.unit_manager === 'systemd') return systemctlUnits({ processes, clock });
  const node = process.execPath;
  return processSupervisor(
    {
      directory: unitDirectory(place),
      invocation: () =>
        serverInvocation({ settings, environment, node, exists: (path) => files.exists(path) }),
      logFile: `${paths.run_dir}/k3s-server.log`,
      gateScript: script('baton-gate.sh'),
      leaseFile: paths.lease_file,
      bootIdFile: paths.boot_id_file,
    },
    { processes, files, clock },
  );
}

/** Armed before anything else: from the first moment no server runs without its guard. */
function deadmanSwitch(place: Place): DeadmanSwitch {
  const { settings, processes, files, clock, findings, script } = place;
  const { paths } = settings;
  const directory = unitDirectory(place);
  files.makeDirectory(directory);
  return armDeadman(
    {
      script: script('baton-deadman.sh'),
      killScript: script('baton-kill-server.sh'),
      leaseFile: paths.lease_file,
      bootIdFile: paths.boot_id_file,
      serverPidFile: `${directory}/server.pid`,
      pidFile: `${directory}/deadman.pid`,
    },
    { processes, files, clock },
    (detail) => findings.note('deadman-rearmed', detail),
  );
}
