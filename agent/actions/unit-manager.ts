/**
 * The port for the node's two k3s services: the server (`k3s.service`) and the agent
 * (`k3s-agent.service`). They are twins: exactly one of them is unmasked at a time, so that nothing
 * but baton, not even a reboot or an upgrade script, can start the other (DESIGN section 3.1).
 *
 * Adapters: agent/adapters/systemctl-units.ts (machines) and agent/adapters/process-supervisor.ts
 * (demo and lab without root). One contract test holds for both
 * (test/unit/actions/unit-manager-contract.ts).
 */
import type { Duration } from '../../shared/time/duration.ts';

export type UnitName = 'server' | 'agent';

/** An expected outcome; `detail` is for people. */
export type UnitResult = { readonly ok: true } | { readonly ok: false; readonly detail: string };

export interface UnitManager {
  /**
   * Unmasks the unit and starts it, after the other has been stopped and masked. The server starts
   * only while the gate is open (ExecCondition, or the same script run by the adapter); a refusal
   * is `ok: false`. Resolves when the unit has been started, which need not mean ready.
   * For the agent unit nothing is awaited: k3s-agent is `active` only once it has joined.
   * A start of the server that has to wait for other units ends with `signal`; who aborts it stops
   * the server too.
   */
  start(unit: UnitName, signal?: AbortSignal): Promise<UnitResult>;

  /**
   * Stops the unit, waits for its end, and leaves it masked. After `grace` it is killed.
   * Harmless when it does not run.
   */
  stop(unit: UnitName, grace: Duration): Promise<UnitResult>;

  /**
   * The self-fence: masks the server, asks it to stop and kills it after `grace`. Waits for
   * nothing that may hang, and cuts across a `start` that is under way: that one ends with
   * `ok: false` and starts nothing. Idempotent. Resolves when the server is gone or the kill was
   * sent; never rejects.
   */
  fence(grace: Duration): Promise<UnitResult>;

  /** Whether the unit's main process runs now, also one that an earlier life of baton started. */
  running(unit: UnitName): Promise<boolean>;

  /** Called when the server ended although nobody asked for it, with a sentence of detail. */
  onServerExit(handler: (detail: string) => void): void;

  /** Stops watching; the units go on running. */
  close(): void;
}
