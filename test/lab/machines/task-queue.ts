/**
 * Which cluster plays what, and when. Clusters side by side mostly wait, and share the processors;
 * on a host where those are scarce they would starve each other, so there one plays at a time. What
 * went wrong there is played once more at the end, alone, and its first try is told in the table.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Task } from './plan.ts';
import { isHostsFault, MOST_LOAD, type Verdict } from './verdict.ts';

const LOOK_AGAIN_MS = 1000;

export class TaskQueue {
  readonly #left: Task[];
  readonly #again: Task[] = [];
  readonly #load: () => number;
  readonly #pauseMs: number;
  #under = 0;

  /** `load`: processes per core that wait for one now. */
  constructor(tasks: readonly Task[], load: () => number, pauseMs = LOOK_AGAIN_MS) {
    this.#left = [...tasks];
    this.#load = load;
    this.#pauseMs = pauseMs;
  }

  /** The next task, once the host has room for it; null when none is left for this cluster. */
  async next(): Promise<Task | null> {
    while (this.#left.length > 0 && this.#under > 0 && this.#load() >= MOST_LOAD) {
      await sleep(this.#pauseMs);
    }
    // Whoever plays on asks again, and is alone then.
    const task = this.#left.shift() ?? (this.#under > 0 ? undefined : this.#again.shift());
    if (task === undefined) return null;
    this.#under += 1;
    return task;
  }

  /** False when the verdict does not count, because the task is played again. */
  ended(task: Task, verdict: Verdict): boolean {
    this.#under -= 1;
    if (task.before.length > 0 || !isHostsFault(verdict)) return true;
    const load = verdict.load.toFixed(1);
    const before = verdict.wrong.map((sentence) => `first try, at a load of ${load}: ${sentence}`);
    this.#again.push({ ...task, reuse: false, before });
    console.log(`${task.label} is played again at the end, alone: ${load} processes per core`);
    return false;
  }
}
