/**
 * What the coordinator needs of a logger; a pino logger satisfies it as it is.
 *
 * Real one: shared/adapters/service-log.ts. Tests collect the lines.
 */
export interface Log {
  info(context: Readonly<Record<string, unknown>>, text: string): void;
  warn(context: Readonly<Record<string, unknown>>, text: string): void;
}
