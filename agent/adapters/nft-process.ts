/**
 * The program nft: once for a whole text of rules, and one that is kept and takes line after line.
 *
 * Does not know what the lines mean; the gate does (nft-gate.ts). Measured on nftables 1.0.6: with
 * a pipe for its input it writes no prompt; a listing goes to stdout, a refusal to stderr, and a
 * line that is refused changes nothing.
 *
 * Its libedit keeps every line and searches them all at each new one: 0.42 kB and 0.2 µs more per
 * renewal, 24 MB and 12 ms after a day. No setting of libedit ends that, so the process is replaced
 * now and then: over 20,000 renewals it stays below 7 MB, and both together below 12. A process for
 * each renewal would cost 9 ms instead of 1, and up to 0.3 s instead of 0.03 on a busy machine.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Processes, RunningProcess } from '../../shared/ports/processes.ts';
import { type Instant, seconds } from '../../shared/time/duration.ts';

const LOAD_LIMIT = seconds(5);
/** A listing ends so: the brace of its table. */
const END_OF_ANSWER = '\n}\n';
/** Answers until a process is replaced: 25 minutes of renewals, 0.4 MB. */
const MOST_ANSWERS = 1000;
/** At its end it would write every line to ~/.nft.history, and read them at its next start. */
const NO_HISTORY = { HOME: '/dev/null' };

export interface NftPlace {
  readonly processes: Processes;
  readonly now: () => Instant;
  /** The program; another one in tests. */
  readonly command?: string;
}

/** What the kept process tells. */
export interface NftListener {
  /** One whole listing. */
  readonly answered: (text: string) => void;
  readonly refused: (text: string) => void;
  /** Lines that it had not read are lost; the next line starts another one. */
  readonly ended: (why: string) => void;
}

export interface NftProcess {
  /** What went wrong, or null; no word yet on what the kernel says. */
  write(line: string): string | null;
  /**
   * A younger process takes over if one is due and has shown that it answers. The one before is
   * killed, so nothing that it may still have to carry out is to be missed, or to come late.
   */
  takeOver(): void;
  /** For one that does not answer. */
  endHanging(): void;
  close(): void;
}

/**
 * One `nft -i`, started when it is first needed and again after it has ended. `question` is a line
 * that is answered at any time: a successor proves itself with it, beside the one that works.
 */
export const nftProcess = (place: NftPlace, question: string, listener: NftListener): NftProcess =>
  new KeptNft(place, question, listener);

class KeptNft implements NftProcess {
  readonly #place: NftPlace;
  readonly #question: string;
  readonly #listener: NftListener;
  #child: RunningProcess | null = null;
  #successor: RunningProcess | null = null;
  #isProven = false;
  #answers = 0;
  #isClosed = false;

  constructor(place: NftPlace, question: string, listener: NftListener) {
    this.#place = place;
    this.#question = question;
    this.#listener = listener;
  }

  write(line: string): string | null {
    if (this.#isClosed) return null;
    try {
      this.#child ??= this.#start();
      if (this.#child.write(line)) return null;
    } catch (error) {
      return reason(error);
    }
    this.#end('SIGKILL');
    return 'the nft process takes no more lines; it was ended';
  }

  takeOver(): void {
    if (this.#successor === null || !this.#isProven) return;
    this.#end('SIGKILL');
    this.#child = this.#successor;
    this.#successor = null;
  }

  endHanging(): void {
    this.#end('SIGKILL');
    this.#listener.ended('the nft process did not answer; it was ended and started again');
  }

  close(): void {
    this.#isClosed = true;
    this.#dropSuccessor();
    this.#end('SIGTERM');
  }

  #start(): RunningProcess {
    const { processes, command = 'nft' } = this.#place;
    let pieces = '';
    const started = processes.start(command, ['-i'], {
      environment: NO_HISTORY,
      onOutput: (text) => {
        const answers = `${pieces}${text}`.split(END_OF_ANSWER);
        pieces = answers.pop() ?? '';
        for (const answer of answers) this.#answered(started, answer);
      },
      onErrors: (text) => {
        if (text.trim() !== '') this.#refused(started, text);
      },
    });
    const ended = () => this.#ended(started);
    started.exited.then(ended).catch(ended);
    return started;
  }

  #answered(by: RunningProcess, text: string): void {
    if (by === this.#successor) this.#isProven = true;
    if (by !== this.#child) return;
    this.#listener.answered(text);
    this.#answers += 1;
    // After the listener: a start from a card that stalls holds up no line that opens.
    if (this.#answers % MOST_ANSWERS === 0) this.#prepare();
  }

  #refused(by: RunningProcess, text: string): void {
    if (by === this.#successor) this.#dropSuccessor();
    if (by === this.#child) this.#listener.refused(text);
  }

  #ended(by: RunningProcess): void {
    if (by === this.#successor) this.#successor = null;
    if (by !== this.#child) return;
    this.#child = null;
    this.#listener.ended('the nft process ended; it is started again at the next renewal');
  }

  #prepare(): void {
    this.#dropSuccessor();
    this.#isProven = false;
    try {
      this.#successor = this.#start();
      this.#successor.write(this.#question);
    } catch (error) {
      // The old one works on, and the next try comes after as many answers.
      reason(error);
    }
  }

  #dropSuccessor(): void {
    this.#successor?.kill('SIGKILL');
    this.#successor = null;
  }

  #end(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child?.kill(signal);
    this.#child = null;
  }
}

/** One transaction. Null, or what went wrong; `whenMissing` is asked where it can't be started. */
export async function runLines(
  { processes, command = 'nft' }: NftPlace,
  lines: string,
  whenMissing: (error: unknown) => string | null,
): Promise<string | null> {
  try {
    const options = { timeout: LOAD_LIMIT, input: `${lines}\n` };
    const result = await processes.run(command, ['-f', '-'], options);
    return result.code === 0 ? null : `nft refused the gate's rules: ${result.stderr.trim()}`;
  } catch (error) {
    return whenMissing(error);
  }
}

export function reason(error: unknown): string {
  if (!isBatonError(error)) throw error;
  return `no data-path gate: ${error.message}`;
}
