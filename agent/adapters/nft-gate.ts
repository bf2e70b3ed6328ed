/**
 * The data-path gate: the kernel itself drops packets to and from the API once the lease is over.
 *
 * An element of an nftables set carries a timeout; each granted renewal refreshes it through one
 * long-lived `nft -i` (3.5 MB), because a process per renewal would be late exactly when the card
 * stalls. Flush and add travel in one line, which is one transaction: `add` alone does not refresh
 * an element that exists on older kernels. Loopback always passes: `check_ready` and `baton` on the
 * master itself need it, and nobody else can use it.
 *
 * The kernel counts a timeout from nft's commit, and a machine may freeze between our write and
 * that. So each renewal asks twice. First a ticket, an element that lives for a moment, and nft
 * tells when the kernel has it. Then the line that opens: it hands the ticket in, and the kernel
 * refuses the whole of it when the ticket has run out. What is left of the lease is counted between
 * the two, less the ticket's whole life, so no freeze at any point moves the end past the deadline.
 * Only the kernel's own timers decide: a wall clock (`meta time`) has steps of 1 s in nft, and is
 * set by years on a Pi that finds the network late.
 *
 * The process is replaced now and then (nft-process.ts), at one point only: when the ticket is
 * shown and the line that opens is not written. The old one has then carried out all it was given,
 * but for a `shut` that came meanwhile, and the first line of the new one begins with that flush.
 * So no line that opens is ever left with the old one.
 *
 * Loading keeps the sets: an agent that is restarted beside a running server shuts nobody out.
 * Does not promise anything where nftables is missing; `problem` says so, and a timing rule then
 * wants a longer lease (wiring/data-path.ts). Source: DESIGN section 3.4; facts measured on
 * nftables 1.0.6, Linux 6.18; nft(8).
 */
import {
  between,
  type Duration,
  type Instant,
  left,
  milliseconds,
  seconds,
} from '../../shared/time/duration.ts';
import type { DataPathGate } from '../actions/gate.ts';
import { type NftPlace, nftProcess, reason, runLines } from './nft-process.ts';

/** Idle it answers in 1 ms, beside 3000 rules of kube-proxy in 7 ms (two cores of a server). */
const ANSWER_LIMIT = seconds(1);
/** A ticket's life as a part of what is left: 250 ms of 5 s. One that was late gets 1 s. */
const FIRST_SHARE = 0.05;
const SECOND_SHARE = 0.2;
/** Two steps of the slowest kernel's timer (100 Hz). Before Linux 6.12 less than one never ends. */
const TIMER_STEPS = milliseconds(20);

const SHUT = 'flush set inet baton lease';
const LIST_TICKET = 'list set inet baton ticket';

/** The rules, as one transaction that leaves the sets' elements alone. */
export const gateRules = (ports: readonly number[]): string => {
  const list = `{ ${ports.join(', ')} }`;
  const chain = (hook: 'input' | 'output', interfaceKey: string, port: string): string[] => [
    `add chain inet baton ${hook} { type filter hook ${hook} priority -10; policy accept; }`,
    `flush chain inet baton ${hook}`,
    `add rule inet baton ${hook} ${interfaceKey} lo accept`,
    `add rule inet baton ${hook} tcp ${port} ${list} tcp ${port} != @lease drop`,
  ];
  return [
    'add table inet baton',
    'add set inet baton lease { type inet_service; flags timeout; }',
    'add set inet baton ticket { type mark; flags timeout; }',
    ...chain('input', 'iif', 'dport'),
    ...chain('output', 'oif', 'sport'),
  ].join('; ');
};

/** What comes before the line that opens. The number is written here as nft never shows it. */
export const ticketLine = (ticket: number, life: Duration): string =>
  `flush set inet baton ticket; add element inet baton ticket { ${ticket} timeout ${life}ms }`;

/** Null where too little would be left when the ticket has come. */
const ticketLife = (rest: Duration, share: number): Duration | null =>
  rest < 3 * TIMER_STEPS ? null : milliseconds(Math.max(TIMER_STEPS, Math.floor(rest * share)));

/** As nft lists it: 8 hexadecimal digits. */
const shown = (ticket: number): string => `0x${ticket.toString(16).padStart(8, '0')}`;

/** Hands the ticket in and opens; whole milliseconds, rounded down. Too short a time shuts. */
export const refreshLine = (ports: readonly number[], ticket: number, open: Duration): string => {
  const timeout = Math.floor(open);
  if (timeout < TIMER_STEPS) return SHUT;
  const elements = ports.map((port) => `${port} timeout ${timeout}ms`).join(', ');
  const handIn = `delete element inet baton ticket { ${ticket} }`;
  return `${handIn}; ${SHUT}; add element inet baton lease { ${elements} }`;
};

/** A ticket that nft has not shown yet. */
interface Asked {
  readonly ticket: number;
  readonly at: Instant;
  readonly life: Duration;
}

/** What went wrong, until a whole round has gone without. */
function troubleFrom(first: string | null) {
  let text = first;
  let isNew = false;
  return {
    text: () => text,
    add(what: string): void {
      text = what;
      isNew = true;
    },
    roundIsOver(): void {
      if (!isNew) text = null;
      isNew = false;
    },
  };
}

/** Loads the rules; without nftables the gate that comes back only knows its problem. */
export async function nftGate(place: NftPlace, ports: readonly number[]): Promise<DataPathGate> {
  const { now } = place;
  const trouble = troubleFrom(await runLines(place, gateRules(ports), reason));
  /** Until when packets shall pass; null is shut. */
  let until: Instant | null = null;
  let asked: Asked | null = null;
  /** From the boot clock: an agent before this one may have left its numbers in a pipe. */
  let ticket = Math.floor(now()) % 2 ** 31;
  let triedAgain = false;
  let rulesLost = false;

  const ended = (why: string): void => {
    asked = null;
    trouble.add(why);
  };
  const say = (line: string): void => {
    const problem = child.write(rulesLost ? `${gateRules(ports)}; ${line}` : line);
    if (problem !== null) ended(problem);
  };
  const ask = (share: number): void => {
    const life = until === null ? null : ticketLife(left(now(), until), share);
    ticket += 1;
    asked = life === null ? null : { ticket, at: now(), life };
    say(life === null ? SHUT : `${ticketLine(ticket, life)}\n${LIST_TICKET}`);
  };
  /** Once a renewal; the next one begins anew. */
  const askAgain = (): void => {
    if (triedAgain) return;
    triedAgain = true;
    ask(SECOND_SHARE);
  };
  const answered = (text: string): void => {
    if (asked === null) return;
    // The ticket ran out before nft came to list it.
    if (!text.includes(shown(asked.ticket))) return askAgain();
    const open = until === null ? 0 : left(now(), until) - asked.life - TIMER_STEPS;
    asked = null;
    rulesLost = false;
    trouble.roundIsOver();
    child.takeOver();
    say(refreshLine(ports, ticket, milliseconds(open)));
  };
  const refused = (text: string): void => {
    trouble.add(`nft refused a line of the gate: ${text.trim().slice(0, 200)}`);
    // A ticket that was late, or a table that somebody has removed (`flush ruleset`).
    rulesLost = true;
    askAgain();
  };
  const child = nftProcess(place, LIST_TICKET, { answered, refused, ended });
  const begin = (deadline: Instant | null): void => {
    until = deadline;
    triedAgain = false;
    if (asked !== null && between(asked.at, now()) >= ANSWER_LIMIT) child.endHanging();
  };

  return {
    allow(deadline) {
      begin(deadline);
      // An answer that is on its way opens until the new deadline.
      if (asked === null) ask(FIRST_SHARE);
    },
    shut() {
      begin(null);
      say(SHUT);
    },
    problem: trouble.text,
    close: () => child.close(),
  };
}

/**
 * For a machine that shall have no gate: one from before would stay shut for good. Quiet where
 * nftables is missing; null, or why the old gate may still be there.
 */
export async function removeGate(place: NftPlace): Promise<string | null> {
  // Added first: an nft of 2022 has no word for "delete if it is there".
  return runLines(place, 'add table inet baton; delete table inet baton', () => null);
}
