/** The hosts line: other people's lines survive, ours is there once. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { masterAddress, withMaster } from '../../../agent/actions/hosts-line.ts';

const image = '127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\n10.0.0.9 nas # backups\n';

test('the first line is appended and the rest is left alone', () => {
  expect(withMaster(image, '10.0.0.2')).toBe(`${image}10.0.0.2 baton-api # baton\n`);
});

test('a file without a last line end gets one first', () => {
  expect(withMaster('127.0.0.1 localhost', 'fd00::2')).toBe(
    '127.0.0.1 localhost\nfd00::2 baton-api # baton\n',
  );
});

test('a change of master replaces the line where it stands', () => {
  const before = `10.0.0.1 baton-api # baton\n${image}`;
  expect(withMaster(before, '10.0.0.3')).toBe(`10.0.0.3 baton-api # baton\n${image}`);
});

test('a second line of ours is dropped', () => {
  const twice = `10.0.0.1 baton-api # baton\n${image}10.0.0.2 baton-api # baton\n`;
  expect(withMaster(twice, '10.0.0.3')).toBe(`10.0.0.3 baton-api # baton\n${image}`);
});

test('somebody else’s line for another purpose is not ours', () => {
  const foreign = '10.0.0.7 baton-api\n10.0.0.8 other # baton\n';
  expect(withMaster(foreign, '10.0.0.3')).toBe(`${foreign}10.0.0.3 baton-api # baton\n`);
  expect(masterAddress(foreign)).toBeNull();
});

test('a name instead of an address is refused, with what to do', () => {
  expect(() => withMaster(image, 'pi2.local')).toThrow(/not an IP address.*cluster\.nodes/);
});

test('any file: our line once, pointing there; other lines unchanged; twice is once', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const line = fc.oneof(
    fc.string({ maxLength: 40 }).map((text) => text.replaceAll('\n', ' ')),
    fc.constant('10.0.0.1 baton-api # baton'),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), address, (lines, to) => {
      const before = lines.join('\n');
      const after = withMaster(before, to);
      expect(masterAddress(after)).toBe(to);
      expect(withMaster(after, to)).toBe(after);
      const foreign = (text: string) => text.split('\n').filter((l) => l && !l.endsWith('# baton'));
      expect(foreign(after)).toEqual(foreign(before));
    }),
  );
});
