/**
 * The receiver's side of the revision stream: follows one master, dials it again when the
 * connection ends or falls silent, and keeps the replica usable all the while.
 *
 * Whom to follow is decided elsewhere. Nothing is deleted here without having been saved.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { TimerHandle } from '../../shared/ports/clock.ts';
import type { FrameConnection } from '../../shared/ports/network.ts';
import { milliseconds, scaled, seconds } from '../../shared/time/duration.ts';
import type {
  FollowTarget,
  ReceiverState,
  StreamFinding,
  StreamLimits,
  StreamReceiver,
  StreamReceiverOptions,
} from './api.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { ReceiverSession } from './receiver-session.ts';

/** A master that is gone is dialled ever more rarely, up to this factor of the first delay. */
const SLOWEST_REDIAL = 8;
/** A full tmpfs does not empty itself within seconds. */
const AFTER_FAILURE = seconds(10);

export const streamReceiver = (options: StreamReceiverOptions): StreamReceiver =>
  new Receiver(options);

const sameTarget = (one: FollowTarget | null, other: FollowTarget | null): boolean =>
  one === other ||
  (one !== null &&
    other !== null &&
    one.node === other.node &&
    one.host === other.host &&
    one.port === other.port &&
    one.epoch === other.epoch);

class Receiver implements StreamReceiver {
  readonly #options: StreamReceiverOptions;
  readonly #limits: StreamLimits;
  #target: FollowTarget | null = null;
  #session: ReceiverSession | null = null;
  /** Rises with every dial, so that an answer that comes too late is recognised. */
  #dial = 0;
  #timer: TimerHandle | null = null;
  #watchdog: TimerHandle | null = null;
  #failures = 0;
  #problem: string | null = null;

  constructor(options: StreamReceiverOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  follow(target: FollowTarget | null): void {
    if (sameTarget(this.#target, target)) return;
    this.#stop(target === null ? 'nobody is followed' : `${target.node} is followed now`);
    this.#target = target;
    this.#failures = 0;
    this.#problem = null;
    if (target !== null) {
      this.#startDial(target);
      this.#watch();
    }
  }

  #stop(why: string): void {
    this.#target = null;
    this.#dial++;
    this.#timer?.cancel();
    this.#timer = null;
    this.#watchdog?.cancel();
    const session = this.#session;
    this.#session = null;
    session?.close(why);
    this.#options.replica.abandonCopy();
  }

  #watch(): void {
    this.#watchdog = this.#options.clock.in(scaled(this.#limits.silenceLimit, 0.25), () => {
      const silence = this.#session?.silence() ?? 0;
      if (silence > this.#limits.silenceLimit) this.#session?.close('the master is silent');
      this.#watch();
    });
  }

  #startDial(target: FollowTarget): void {
    this.#dial++;
    const dial = this.#dial;
    const { node, host, port } = target;
    this.#options.network
      .dial({ node, host, port, purpose: 'bulk' }, this.#limits.dialTimeout)
      .then(
        (connection) => {
          if (dial !== this.#dial) return connection.close('another master is followed');
          this.#greet(target, connection);
        },
        (error: unknown) => {
          if (!isBatonError(error)) throw error;
          if (dial === this.#dial) this.#again(error.message);
        },
      );
  }

  #greet(target: FollowTarget, connection: FrameConnection): void {
    if (connection.peer !== target.node) {
      connection.close('not the master that was dialled');
      return this.#again(`${connection.peer} answered instead of ${target.node}`);
    }
    this.#guard(() => this.#open(connection));
  }

  #open(connection: FrameConnection): void {
    const { clock, replica, archives, highestEpoch, onPosition } = this.#options;
    const session = new ReceiverSession(connection, {
      clock,
      replica,
      archives,
      highestEpoch,
      moved: (position) => onPosition?.(position),
      finding: (finding) => this.#find(finding),
      guard: (action) => this.#guard(action),
      greeted: () => {
        this.#failures = 0;
        this.#problem = null;
      },
      ended: (why) => {
        if (this.#session !== session) return;
        this.#session = null;
        this.#again(why);
      },
    });
    this.#session = session;
  }

  /** Dials again later. A copy under way is begun anew then: its greeting decides. */
  #again(why: string, delay = this.#redialDelay()): void {
    const target = this.#target;
    this.#problem = why;
    this.#dial++;
    this.#timer?.cancel();
    if (target === null) return;
    this.#timer = this.#options.clock.in(delay, () => this.#startDial(target));
  }

  #redialDelay() {
    const factor = Math.min(2 ** this.#failures, SLOWEST_REDIAL);
    this.#failures++;
    return scaled(this.#limits.redialDelay, factor);
  }

  /** What the replica cannot take: damage begins it anew, anything else is reported. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!isBatonError(error) || error.kind !== 'operational') throw error;
      const session = this.#session;
      this.#session = null;
      session?.close(error.message);
      const damaged = this.#options.replica.recover(error);
      if (!damaged) {
        this.#options.replica.abandonCopy();
        this.#find({
          code: 'replica-failed',
          text:
            `The replica could not be written: ${error.message}. This node falls behind; ` +
            'make room on the file system of the replica.',
        });
      }
      this.#again(error.message, damaged ? milliseconds(0) : AFTER_FAILURE);
    }
  }

  #find(finding: StreamFinding): void {
    this.#options.onFinding?.(finding);
  }

  state(): ReceiverState {
    const { replica } = this.#options;
    const idle = this.#target === null ? 'idle' : 'dialling';
    return {
      target: this.#target,
      phase: this.#session?.phase ?? idle,
      position: replica.position(),
      lastProblem: this.#problem,
    };
  }

  close(): void {
    this.#stop('stopping');
  }
}
