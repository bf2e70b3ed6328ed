/**
 * The program nft: once for a whole text of rules, and one that is kept and takes line after line.
 *
 * Does not know what the lines mean; the gate does (nft-gate.ts). Measured on nftables 1.0.6: with
 * a pipe for its input it writes no prompt; a listing goes to stdout, a refusal to stderr, and a
 * line that is refused changes nothing.
 */
import { isBatonError } from '../../shared/errors/baton-error.ts';
import type { Processes, RunningProcess } from '../../shared/ports/processes.ts';
import { type Instant, seconds } from '../../shared/time/duration.ts';

const LOAD_LIMIT = seconds(5);
/** A listing ends so: the brace of its table. */
const END_OF_ANSWER = '\n}\n';

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
  /** For one that does not answer. */
  endHanging(): void;
  close(): void;
}

/** One `nft -i`, started when it is first needed and again after it has ended. */
export function nftProcess(place: NftPlace, listener: NftListener): NftProcess {
  const { processes, command = 'nft' } = place;
  let child: RunningProcess | null = null;
  let closed = false;

  const ensure = (): RunningProcess => {
    if (child !== null) return child;
    let pieces = '';
    const started = processes.start(command, ['-i'], {
      onOutput: (text) => {
        const answers = `${pieces}${text}`.split(END_OF_ANSWER);
        pieces = answers.pop() ?? '';
        if (child === started) answers.forEach(listener.answered);
      },
      onErrors: (text) => {
        if (child === started && text.trim() !== '') listener.refused(text);
      },
    });
    child = started;
    const lost = () => {
      if (child !== started) return;
      child = null;
      listener.ended('the nft process ended; it is started again at the next renewal');
    };
    started.exited.then(lost).catch(lost);
    return started;
  };
  const end = (signal: 'SIGTERM' | 'SIGKILL'): void => {
    child?.kill(signal);
    child = null;
  };
  return {
    write(line) {
      if (closed) return null;
      try {
        if (ensure().write(line)) return null;
      } catch (error) {
        return reason(error);
      }
      end('SIGKILL');
      return 'the nft process takes no more lines; it was ended';
    },
    endHanging() {
      end('SIGKILL');
      listener.ended('the nft process did not answer; it was ended and started again');
    },
    close() {
      closed = true;
      end('SIGTERM');
    },
  };
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
