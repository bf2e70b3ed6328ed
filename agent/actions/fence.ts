/**
 * The self-fence: no server of this node answers from now on.
 *
 * It cuts across everything: the steps under way are told at once, the server is masked, asked to
 * stop, and killed after a short grace. A second fence joins the first. When even the kill fails
 * (a hung service manager), the dead man's switch and the data-path gate, which need nothing of
 * this process, have the last word (DESIGN section 3); it is tried again until it succeeds.
 */
import type { Clock } from '../../shared/ports/clock.ts';
import { type Duration, milliseconds, seconds } from '../../shared/time/duration.ts';
import type { Gate } from './gate.ts';
import type { Steps } from './steps.ts';
import type { UnitManager } from './unit-manager.ts';

/** Half of the "kill" line in the timing table: what a server may use to end in order. */
export const FENCE_GRACE = milliseconds(250);
const AGAIN = seconds(1);
/** Two tries of the slowest unit manager; whoever waits longer would hold a role it cannot use. */
const SETTLE_LIMIT = seconds(15);

export interface FencePlace {
  readonly units: UnitManager;
  readonly steps: Pick<Steps, 'cut'>;
  readonly gate: Pick<Gate, 'close'>;
  readonly clock: Clock;
  readonly grace: Duration;
  /** Told once per failed try, with what the unit manager said. */
  readonly problem: (detail: string) => void;
}

export interface Fence {
  fence(reason: string): void;
  /** Whether one is at work at this moment. */
  underWay(): boolean;
  /** True once the fence under way has ended; false when it has not within a bound. */
  settled(): Promise<boolean>;
}

export function createFence(place: FencePlace): Fence {
  const { units, steps, gate, clock, grace } = place;
  let under: Promise<void> | null = null;

  const shut = (): void => {
    try {
      gate.close();
    } catch (error) {
      // The server is stopped all the same, and the file's deadline passes by itself.
      place.problem(error instanceof Error ? error.message : String(error));
    }
  };

  const work = async (): Promise<void> => {
    for (;;) {
      const result = await units.fence(grace);
      if (result.ok) return;
      place.problem(result.detail);
      await new Promise<void>((resolve) => clock.in(AGAIN, resolve));
    }
  };

  return {
    fence(reason) {
      steps.cut(`fenced: ${reason}`);
      shut();
      under ??= work().finally(() => {
        under = null;
      });
    },
    underWay: () => under !== null,
    settled() {
      const waited = under;
      if (waited === null) return Promise.resolve(true);
      return new Promise((resolve) => {
        const limit = clock.in(SETTLE_LIMIT, () => resolve(false));
        void waited.then(() => {
          limit.cancel();
          resolve(true);
        });
      });
    },
  };
}
