/**
 * Reads what the master's agent writes under BATON_ACK_LOG: one JSON line per acknowledgement,
 * `{"revision","receiver","at_ms"}`.
 *
 * A line that is torn (the agent was killed) or is something else is counted, not guessed at.
 */
import type { Milestone } from './at-risk.ts';

export interface Acknowledgements {
  /** What each receiver has said it holds, in the order of the file. */
  readonly byReceiver: ReadonlyMap<string, readonly Milestone[]>;
  readonly torn: number;
}

const milestoneOf = (line: string): (Milestone & { readonly receiver: string }) | null => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { revision, receiver, at_ms: atMs } = value as Record<string, unknown>;
  const isOne =
    Number.isSafeInteger(revision) && typeof receiver === 'string' && Number.isFinite(atMs);
  return isOne ? { receiver, revision: revision as number, atMs: atMs as number } : null;
};

export function parseAcknowledgements(text: string): Acknowledgements {
  const byReceiver = new Map<string, Milestone[]>();
  let torn = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const found = milestoneOf(line);
    if (found === null) {
      torn += 1;
      continue;
    }
    const { receiver, revision, atMs } = found;
    const list = byReceiver.get(receiver) ?? [];
    list.push({ revision, atMs });
    byReceiver.set(receiver, list);
  }
  return { byReceiver, torn };
}
