/**
 * The dead man's switch where no systemd runs it (demo, lab): the shipped shell script as a process
 * of its own that outlives this agent, found again by its pid file, and started anew when it is
 * gone. With systemd `baton-deadman.service` does all this, and nothing here is used.
 *
 * It must run before any server may start; it reads the lease file and nothing else of baton.
 * Source: DESIGN section 3, point 3.
 */
import type { Clock, TimerHandle } from '../../shared/ports/clock.ts';
import type { Files } from '../../shared/ports/files.ts';
import type { Processes } from '../../shared/ports/processes.ts';
import { seconds } from '../../shared/time/duration.ts';
import { isAlive, type KnownProcess, knownProcess, watchProcess } from './pid-watch.ts';
import { readPidFile } from './process-supervisor.ts';

/** A start that failed (no processes, no memory) is tried again after this time. */
const RETRY = seconds(1);

export interface DeadmanSettings {
  /** systemd/baton-deadman.sh and systemd/baton-kill-server.sh as shipped. */
  readonly script: string;
  readonly killScript: string;
  readonly leaseFile: string;
  readonly bootIdFile: string;
  /** Of the server, as the process supervisor writes it. */
  readonly serverPidFile: string;
  /** Of the switch itself. */
  readonly pidFile: string;
}

export interface DeadmanSwitch {
  /** Whether the switch runs at this moment. */
  armed(): boolean;
  /** Ends it; only for an orderly shutdown, when no server runs. */
  disarm(): void;
  /** Stops watching; the switch stays armed. */
  close(): void;
}

/** Errors: `process-failed` when it cannot be started: without it no server may run. */
export function armDeadman(
  settings: DeadmanSettings,
  ports: { readonly processes: Processes; readonly files: Files; readonly clock: Clock },
  /** It was gone and has been started again, or could not be. */
  rearmed: (detail: string) => void,
): DeadmanSwitch {
  const { processes, files, clock } = ports;
  const { script, killScript, leaseFile, bootIdFile, serverPidFile, pidFile } = settings;
  let current: KnownProcess | null = null;
  let watching: { cancel(): void } | null = null;
  let retry: TimerHandle | null = null;

  const start = (): KnownProcess => {
    const args = [leaseFile, bootIdFile, killScript, serverPidFile, leaseFile, bootIdFile];
    const child = processes.start(script, args, { detached: true });
    child.exited.catch(() => undefined);
    const known = knownProcess(processes, child.pid);
    files.write(pidFile, `${known.pid} ${known.startTicks ?? ''}\n`, { sync: false });
    return known;
  };

  const watch = (known: KnownProcess): void => {
    current = known;
    watching = watchProcess(processes, clock, known, again);
  };

  const again = (): void => {
    try {
      watch(start());
      rearmed('the dead man’s switch was gone and has been armed again');
    } catch (error) {
      current = null;
      retry = clock.in(RETRY, again);
      rearmed(`the dead man’s switch is gone and cannot be armed: ${String(error)}`);
    }
  };

  const close = (): void => {
    watching?.cancel();
    retry?.cancel();
  };

  const found = readPidFile(files, pidFile);
  watch(found !== null && isAlive(processes, found) ? found : start());

  return {
    armed: () => current !== null && isAlive(processes, current),
    disarm() {
      close();
      if (current !== null && isAlive(processes, current)) {
        processes.signal(current.pid, 'SIGKILL');
      }
      files.remove(pidFile);
    },
    close,
  };
}
