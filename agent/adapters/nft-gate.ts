/**
 * The data-path gate: the kernel itself drops packets to and from the API once the lease is over.
 *
 * An element of an nftables set carries a timeout; each granted renewal refreshes it through one
 * long-lived `nft -i` (3.5 MB), because a process per renewal would be late exactly when the card
 * stalls. Flush and add travel in one line, which is one transaction: `add` alone does not refresh
 * an element that exists on older kernels. Loopback always passes: `check_ready` and `baton` on the
 * master itself need it, and nobody else can use it.
 *
 * Loading keeps the set: an agent that is restarted beside a running server shuts nobody out.
 * Does not promise anything where nftables is missing; `problem` says so, and a timing rule then
 * wants a longer lease (wiring/data-path.ts). Source: DESIGN section 3.4; facts measured on
 * nftables 1.0.6; nft(8).
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Processes, RunningProcess } from '../../shared/ports/processes.ts';
import { type Duration, seconds } from '../../shared/time/duration.ts';
import type { DataPathGate } from '../actions/gate.ts';

const LOAD_LIMIT = seconds(5);

/** The rules, as one transaction that leaves the set's elements alone. */
export const gateRules = (ports: readonly number[]): string => {
  const list = `{ ${ports.join(', ')} }`;
  const chain = (hook: 'input' | 'output', interfaceKey: string, port: string): string =>
    [
      `add chain inet baton ${hook} { type filter hook ${hook} priority -10; policy accept; }`,
      `flush chain inet baton ${hook}`,
      `add rule inet baton ${hook} ${interfaceKey} lo accept`,
      `add rule inet baton ${hook} tcp ${port} ${list} tcp ${port} != @lease drop`,
    ].join('\n');
  return [
    'add table inet baton',
    'add set inet baton lease { type inet_service; flags timeout; }',
    chain('input', 'iif', 'dport'),
    chain('output', 'oif', 'sport'),
    '',
  ].join('\n');
};

/** One line for `nft -i`; whole milliseconds, rounded down. Below 1 ms the set stays empty. */
export const refreshLine = (ports: readonly number[], duration: Duration): string => {
  const timeout = Math.floor(duration);
  if (timeout < 1) return 'flush set inet baton lease';
  const elements = ports.map((port) => `${port} timeout ${timeout}ms`).join(', ');
  return `flush set inet baton lease; add element inet baton lease { ${elements} }`;
};

/** Loads the rules; without nftables the gate that comes back only knows its problem. */
export async function nftGate(
  processes: Processes,
  ports: readonly number[],
  command = 'nft',
): Promise<DataPathGate> {
  const loaded = await load(processes, command, ports);
  let trouble = loaded;
  /** Something went wrong since the last line: one line without clears the trouble. */
  let complained = false;
  let child: RunningProcess | null = null;
  let closed = false;

  const complain = (text: string): void => {
    if (closed || text.trim() === '') return;
    complained = true;
    trouble = `nft refused a line of the gate: ${text.trim().slice(0, 200)}`;
  };

  const ensure = (): RunningProcess => {
    if (child !== null) return child;
    const started = processes.start(command, ['-i'], { onErrors: complain });
    child = started;
    const lost = () => {
      if (child === started) child = null;
      if (!closed) trouble = 'the nft process ended; it is started again at the next renewal';
    };
    started.exited.then(lost).catch(lost);
    return started;
  };

  const say = (line: string): void => {
    if (closed) return;
    if (!complained) trouble = loaded;
    complained = false;
    try {
      if (ensure().write(line)) return;
      // Its input is full: it hangs. A new one gets the next line.
      child?.kill('SIGKILL');
      child = null;
      trouble = 'the nft process takes no more lines; it was ended';
    } catch (error) {
      trouble = reason(error);
    }
  };

  return {
    allow: (duration) => say(refreshLine(ports, duration)),
    shut: () => say('flush set inet baton lease'),
    problem: () => trouble,
    close() {
      closed = true;
      child?.kill('SIGTERM');
    },
  };
}

async function load(
  processes: Processes,
  command: string,
  ports: readonly number[],
): Promise<string | null> {
  try {
    const options = { timeout: LOAD_LIMIT, input: gateRules(ports) };
    const result = await processes.run(command, ['-f', '-'], options);
    return result.code === 0 ? null : `nft refused the gate's rules: ${result.stderr.trim()}`;
  } catch (error) {
    return reason(error);
  }
}

function reason(error: unknown): string {
  if (!isBatonError(error)) throw error;
  return `no data-path gate: ${error.message}`;
}
