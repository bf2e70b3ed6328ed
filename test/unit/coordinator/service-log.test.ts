/** What a daemon's log looks like under journald, and elsewhere. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { journalLine } from '../../../shared/adapters/service-log.ts';

const module = join(import.meta.dirname, '../../../shared/adapters/service-log.ts');

/** Standard output of a process that logs one line and is ended at once. */
const logged = (environment: Readonly<Record<string, string>>): string => {
  const program = `import { serviceLog } from ${JSON.stringify(module)};
    const options = { name: 'baton-x', level: 'info', environment: process.env };
    serviceLog(options).warn({ from: 'pi2' }, 'refused');
    serviceLog(options).debug('never seen');
    process.exit(0);`;
  const ended = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...process.env, ...environment },
    encoding: 'utf8',
  });
  expect(ended.stderr).toBe('');
  return ended.stdout;
};

describe('a daemon’s log', () => {
  it('is one JSON object for each line, written before the process ends', () => {
    const lines = logged({}).trim().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      level: 40,
      name: 'baton-x',
      from: 'pi2',
      msg: 'refused',
    });
  });

  it('does not take an inherited JOURNAL_STREAM for a journal', () => {
    expect(logged({ JOURNAL_STREAM: '9:12345' })).toMatch(/^\{/);
  });

  it('is priority and text first under journald', () => {
    const line = (level: number, more: object) =>
      journalLine(JSON.stringify({ level, time: 1, name: 'baton-x', ...more }));
    expect(line(40, { from: 'pi2', msg: 'refused' })).toBe('<4>refused {"from":"pi2"}\n');
    expect(line(30, { msg: 'listens' })).toBe('<6>listens\n');
    expect(line(60, { msg: 'ended\n    at here' })).toBe('<2>ended | at here\n');
    expect(line(10, {})).toBe('<7>\n');
  });

  it('stays one line under journald, whatever is said', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 0, max: 70 }), (msg, level) => {
        const line = journalLine(JSON.stringify({ level, time: 1, name: 'x', msg }));
        // A line break would begin an entry without its priority.
        return /^<[2-7]>[^\r\n]*\n$/.test(line);
      }),
    );
  });
});
