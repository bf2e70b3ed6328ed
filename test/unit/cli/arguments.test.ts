/** The command line as data: strictness, hints, and that no text at all breaks it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isNodeName, nearest, parseCommandLine } from '../../../agent/cli/arguments.ts';
import { generalHelp, verbHelp } from '../../../agent/cli/help.ts';
import { columns, noColours, render } from '../../../agent/cli/layout/lines.ts';
import { verbs } from '../../../agent/cli/verbs.ts';
import { expectGolden } from './golden-text.ts';

const wrong = (...args: string[]): string => {
  const parsed = parseCommandLine(args);
  return parsed.kind === 'wrong' ? parsed.message : `not refused: ${parsed.kind}`;
};

describe('what is asked', () => {
  test('a verb with flags, values and a node', () => {
    const parsed = parseCommandLine(['move', 'pi-3', '--socket', '/run/x.sock']);
    expect(parsed).toMatchObject({ kind: 'run', verb: { name: 'move' }, node: 'pi-3' });
    expect(parsed.kind === 'run' && parsed.values.get('socket')).toBe('/run/x.sock');
  });

  test('values may be joined by an equals sign', () => {
    const parsed = parseCommandLine(['keygen', '--out=-', '--for=pi9']);
    expect(parsed.kind === 'run' && [...parsed.values]).toEqual([
      ['out', '-'],
      ['for', 'pi9'],
    ]);
  });

  test.each([
    [[], null],
    [['--help'], null],
    [['-h'], null],
    [['help', 'move'], 'move'],
    [['move', '--help'], 'move'],
    [['move', 'pi2', '-h'], 'move'],
  ])('%j asks for help', (args, verb) => {
    const parsed = parseCommandLine(args);
    expect(parsed.kind === 'help' && (parsed.verb?.name ?? null)).toBe(verb);
  });

  test.each([['--version'], ['-V']])('%s asks for the version', (arg) => {
    expect(parseCommandLine([arg])).toEqual({ kind: 'version' });
  });
});

describe('what is refused', () => {
  test.each([
    [['stauts'], 'there is no verb "stauts"; did you mean "baton status"?'],
    [['stat'], 'there is no verb "stat"; did you mean "baton status"?'],
    [['reboot-everything'], 'there is no verb "reboot-everything"'],
    [['status', '--jsom'], 'there is no option --jsom; did you mean --json?'],
    [['status', '--xyzzy'], 'there is no option --xyzzy'],
    [['status', '-x'], 'there is no option -x'],
    [['status', '--json=yes'], '--json takes no value'],
    [['status', 'pi2'], 'baton status does not take "pi2"'],
    [['move', 'pi2', 'pi3'], 'baton move does not take "pi3"'],
    [['move', 'Pi_2'], '"Pi_2" cannot be the name of a node'],
    [['keygen', '--out'], '--out needs a value: --out FILE'],
    [['keygen', '--out', '--for'], '--out needs a value: --out FILE'],
    [['keygen', '--for='], '--for needs a value: --for NODE'],
    [
      ['promote', '--i-know'],
      'there is no option --i-know; did you mean --i-know-the-other-is-dead?',
    ],
  ])('%j', (args, message) => {
    expect(wrong(...args)).toBe(message);
  });

  test('an option before the verb', () => {
    expect(wrong('--json', 'status')).toContain('needs a verb before it');
  });
});

test('no command line makes the parser throw, and none is half understood', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('status', 'move', '--json', '--out', '--', '-', '--for=x', '-h'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (args) => {
      const parsed = parseCommandLine(args);
      expect(['help', 'version', 'wrong', 'run']).toContain(parsed.kind);
      if (parsed.kind !== 'run') return;
      const known = new Set([
        ...parsed.verb.options.map((option) => option.name),
        'socket',
        'settings',
      ]);
      for (const name of [...parsed.flags, ...parsed.values.keys()]) expect(known).toContain(name);
      if (parsed.node !== null) expect(isNodeName(parsed.node)).toBe(true);
    }),
  );
});

test('the nearest word is never a wild guess', () => {
  expect(nearest('', ['status'])).toBeNull();
  expect(nearest('zzz', ['status', 'why'])).toBeNull();
  expect(nearest('wy', ['status', 'why'])).toBe('why');
});

test('help tells every verb and every option within its width', () => {
  const look = { width: 80, paint: noColours };
  const general = render(generalHelp(), look);
  for (const verb of verbs) {
    expect(general.join('\n')).toContain(`  ${verb.name}`);
    const text = render(verbHelp(verb), look);
    for (const option of verb.options) expect(text.join('\n')).toContain(`--${option.name}`);
    for (const line of [...general, ...text]) expect(columns(line)).toBeLessThanOrEqual(80);
  }
  expectGolden('help.txt', general);
});
