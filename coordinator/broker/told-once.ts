/**
 * Says the same thing about the same peer once, not at each of its attempts.
 *
 * A node with a wrong key dials every few seconds for days: one line and a count are useful, a
 * loop of lines hides everything else. A peer that got through is forgotten, so that a later
 * failure is news again.
 */

/** Peers remembered; beyond that the oldest is forgotten, so that nobody can fill the memory. */
const REMEMBERED = 256;

export class ToldOnce {
  /** `<peer> <what>`, the most recent last. */
  readonly #told = new Set<string>();

  /** True the first time, until it is forgotten. */
  isNews(peer: string, what: string): boolean {
    const key = `${peer} ${what}`;
    const known = this.#told.delete(key);
    this.#told.add(key);
    const oldest = this.#told.keys().next();
    if (this.#told.size > REMEMBERED && !oldest.done) this.#told.delete(oldest.value);
    return !known;
  }

  /** This is news again, should it come back. */
  forget(peer: string, what: string): void {
    this.#told.delete(`${peer} ${what}`);
  }
}
