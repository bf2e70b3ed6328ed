/**
 * What the command lines of the lab have in common: a mistake is told with the usage below it, and
 * numbers are whole and within bounds.
 */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { BatonError } from '../../shared/errors/baton-error.ts';

export interface OptionWords {
  /** `settings-invalid` with `text` and the usage. */
  wrong(text: string): BatonError;
  /** As `parseArgs` of Node. Errors: `settings-invalid` with its words. */
  parse<const Config extends ParseArgsConfig>(config: Config): ReturnType<typeof parseArgs<Config>>;
  /** Errors: `settings-invalid`, when `text` is no whole number or out of bounds. */
  wholeNumber(name: string, text: string, lowest: number, highest: number): number;
}

export const optionWords = (usage: string): OptionWords => {
  const wrong = (text: string): BatonError =>
    new BatonError('settings-invalid', 'usage', `${text}\n${usage}`, { context: {} });
  return {
    wrong,
    parse: (config) => {
      try {
        return parseArgs(config);
      } catch (error) {
        throw wrong(error instanceof Error ? error.message : String(error));
      }
    },
    wholeNumber: (name, text, lowest, highest) => {
      const value = Number(text);
      if (/^\d+$/.test(text) && value >= lowest && value <= highest) return value;
      throw wrong(`--${name} ${text}: a whole number from ${lowest} to ${highest}`);
    },
  };
};
