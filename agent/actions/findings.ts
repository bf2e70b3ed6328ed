/**
 * What a person must see: one list of findings from every part of the agent, each told once.
 *
 * A finding stands until its cause is gone (`clear`) or newer ones push it out. The parts that keep
 * their own lists (datastore, archive) are asked at each report. Does not decide
 * anything: a finding is for eyes only.
 */

export interface Finding {
  readonly code: string;
  readonly text: string;
}

export interface FindingBook {
  /** `subject` is whom or what it is about; a later one of the same code and subject replaces. */
  note(code: string, text: string, subject?: string): void;
  clear(code: string, subject?: string): void;
  /** Own findings and those of the parts, without repetition. */
  list(): readonly Finding[];
}

/** What a part says as it happens, with what it is about. */
export interface Occurrence extends Finding {
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * Notes into `book` what the stream finds. What is said of one receiver, or of one file of saved
 * revisions, leaves standing what was said of another.
 */
export const noteInto =
  (book: FindingBook) =>
  ({ code, text, detail }: Occurrence): void =>
    book.note(code, text, String(detail?.receiver ?? detail?.file ?? ''));

/** Above it the oldest goes: subjects come from the network. */
const MOST = 64;

/**
 * `parts` are read at each `list`; `told` is called once for each text that is new.
 */
export function findingBook(
  parts: readonly (() => readonly Finding[])[],
  told: (finding: Finding) => void,
): FindingBook {
  const own = new Map<string, Finding>();
  const known = new Set<string>();

  const tellOnce = (finding: Finding): void => {
    const line = `${finding.code} ${finding.text}`;
    if (known.has(line)) return;
    if (known.size >= 4 * MOST) known.clear();
    known.add(line);
    told(finding);
  };

  return {
    note(code, text, subject = '') {
      const key = `${code} ${subject}`;
      own.delete(key);
      own.set(key, { code, text });
      const oldest = own.keys().next();
      if (own.size > MOST && !oldest.done) own.delete(oldest.value);
      tellOnce({ code, text });
    },
    clear(code, subject = '') {
      own.delete(`${code} ${subject}`);
    },
    list() {
      const all = new Map<string, Finding>();
      for (const finding of own.values()) all.set(`${finding.code} ${finding.text}`, finding);
      for (const part of parts) {
        for (const { code, text } of part()) {
          tellOnce({ code, text });
          all.set(`${code} ${text}`, { code, text });
        }
      }
      return [...all.values()];
    },
  };
}
