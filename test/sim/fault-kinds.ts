/**
 * Everything that the simulator can do to a cluster, each with its class.
 *
 * `inside`: the model of DESIGN section 3 promises that no such fault, nor any mix of them, makes
 * two masters. `beyond`: nothing is promised (drift past the bound, timers that lie, disks that
 * lose what was synced, an operator who is wrong); those are measured, and counted apart.
 */
export type FaultClass = 'inside' | 'beyond';

export interface FaultTraits {
  readonly class: FaultClass;
  /** How long it lasts, ms; [0, 0] for what happens at one moment. */
  readonly duration: readonly [number, number];
  readonly about: string;
}

const inside = (low: number, high: number, about: string): FaultTraits => ({
  class: 'inside',
  duration: [low, high],
  about,
});
const beyond = (low: number, high: number, about: string): FaultTraits => ({
  class: 'beyond',
  duration: [low, high],
  about,
});

export const faultKinds = {
  crash: inside(50, 6000, 'the agent process is killed and comes back; /run stays'),
  crash_midway: inside(50, 6000, 'the agent is killed between two effects of one decision'),
  restart: inside(50, 1500, 'the agent is told to restart (an upgrade)'),
  power_cut: inside(300, 15_000, 'power cut: /run lost, commits that were not synced lost'),
  hang: inside(14_000, 18_000, 'the kernel hangs; the watchdog reboots the machine'),
  shutdown: inside(2000, 15_000, 'power-off in order: the voter leaves first'),
  new_card: inside(500, 15_000, 'power cut, and the machine comes back with an empty card'),
  torn_epoch: inside(300, 6000, 'power cut in the middle of the epoch write: file unreadable'),
  partition: inside(1000, 20_000, 'the network falls into two halves'),
  one_way: inside(1000, 20_000, 'one machine can send but not receive, or the reverse'),
  isolate: inside(1000, 20_000, 'the cable of one machine is pulled'),
  cut_pair: inside(1000, 20_000, 'two machines cannot talk, everybody else can'),
  loss: inside(2000, 20_000, 'messages are lost on every path'),
  delay: inside(2000, 20_000, 'messages take up to seconds and overtake each other'),
  duplicate: inside(2000, 20_000, 'old messages come again, up to 15 s later'),
  hold: inside(200, 9000, 'messages of one kind to one machine arrive only at the end of it'),
  echo: inside(200, 9000, 'messages of one kind to one machine come once more at the end of it'),
  slow_node: inside(2000, 15_000, 'everything on one machine happens late'),
  overload: inside(5000, 60_000, 'a machine hears and answers nobody while its server serves'),
  freeze_agent: inside(500, 20_000, 'the agent is stopped (SIGSTOP) and goes on later'),
  freeze_midway: inside(500, 20_000, 'the agent is stopped between two effects of one decision'),
  freeze_node: inside(500, 20_000, 'every process of a machine is stopped; the kernel runs'),
  kill_deadman: inside(2000, 30_000, 'the dead man’s switch is killed'),
  disk_full: inside(1000, 20_000, 'synced writes fail'),
  epoch_write: inside(0, 0, 'the next synced write fails'),
  run_full: inside(500, 8000, 'writes to /run fail'),
  broker_down: inside(1000, 20_000, 'one coordinator is down'),
  broker_lies: inside(1000, 20_000, 'a coordinator repeats old messages at will'),
  brokers_down: inside(1000, 30_000, 'all coordinators are down'),
  wall_step: inside(0, 0, 'the wall clock jumps by up to ten years'),
  step_fails: inside(1000, 15_000, 'steps of a promotion or handover fail on one machine'),
  step_slow: inside(1000, 15_000, 'steps take up to ten times as long'),
  server_crash: inside(0, 0, 'the server process ends by itself'),
  stray_start: inside(
    0,
    0,
    'somebody starts the server by hand, unmasked, on a node without a lease',
  ),
  crash_loop: inside(3000, 20_000, 'the server process ends soon after each start'),
  ranking: inside(0, 0, 'the scout sends some order, also a wrong one'),
  move: inside(0, 0, 'planned handover to some node, or to the best one'),
  found: inside(1000, 20_000, 'the operator founds where a wait cannot end, and nobody knows more'),
  promote: inside(20_000, 40_000, 'one of two nodes dies for good and the other is promoted'),
  cold_start: inside(500, 8000, 'all machines lose power and come back one by one'),
  drift_beyond: beyond(60_000, 60_000, 'a boot clock runs up to 30 % wrong'),
  clock_pause: beyond(2000, 15_000, 'a virtual machine is paused: its boot clock stands still'),
  disk_rolls_back: beyond(300, 4000, 'power cut; the card gives back an older synced record'),
  timers_lie: beyond(60_000, 60_000, 'the kernel’s timer of the data-path gate fires late'),
  frozen_without_gate: beyond(500, 20_000, 'a whole machine frozen, no data-path gate'),
  found_wrong: beyond(1000, 20_000, 'the operator founds although others may know more'),
  promote_living: beyond(0, 0, 'the operator promotes although the other node lives'),
} as const satisfies Record<string, FaultTraits>;

export type FaultKind = keyof typeof faultKinds;

export const faultNames = Object.keys(faultKinds) as readonly FaultKind[];
export const faultNumber: Readonly<Record<FaultKind, number>> = Object.fromEntries(
  faultNames.map((kind, index) => [kind, index]),
) as Record<FaultKind, number>;
export const isBeyond = (kind: FaultKind): boolean => faultKinds[kind].class === 'beyond';
export const beyondKinds: readonly FaultKind[] = faultNames.filter(isBeyond);

/** Faults of the whole cluster; everything else hits one machine. */
const ofTheWorld: ReadonlySet<FaultKind> = new Set([
  'partition',
  'loss',
  'delay',
  'duplicate',
  'brokers_down',
  'broker_lies',
  'ranking',
  'cold_start',
]);

export const isOfTheWorld = (kind: FaultKind): boolean => ofTheWorld.has(kind);
