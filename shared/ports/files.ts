/**
 * The port for small files: state records, the lease file, /etc/hosts, /proc and /sys readings.
 * It is never used for anything below `server/db` (see agent/adapters/datastore/: POSIX locks go
 * when any descriptor of a file is closed, DESIGN section 4).
 *
 * Real adapter: shared/adapters/system-files.ts. Fake: shared/ports/fakes/memory-files.ts, which
 * can be told to be full, to fail a sync or to tear a write.
 * Errors: every failure is a `BatonError` of kind operational with errno mapped once
 * (`file-missing`, `disk-full`, `permission-denied`, `read-only-file-system`, `input-output`).
 */
export interface Files {
  /** The whole file as text, or null when it does not exist. */
  read(path: string): string | null;
  /**
   * Replaces the file atomically (temporary file, rename). With `sync` the data and the
   * directory entry are on the disk before it returns.
   */
  write(path: string, text: string, options: { sync: boolean; mode?: number }): void;
  remove(path: string): void;
  exists(path: string): boolean;
  list(directory: string): string[];
  makeDirectory(path: string): void;
}
