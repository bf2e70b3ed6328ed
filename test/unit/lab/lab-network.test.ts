/** The lab's bridge, for real, in a network namespace that ends with the test. */
import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';

const place = new URL('../../lab/machines/network.ts', import.meta.url).href;
const inNamespace = (lines: string): string => {
  const script = `import { execFileSync } from 'node:child_process';
    import { network } from '${place}';
    const ip = (...args) => execFileSync('ip', args, { encoding: 'utf8' });
    network.make();
    const cable = (name) => {
      ip('link', 'add', 'vb-' + name, 'type', 'veth', 'peer', 'name', 'end');
      ip('link', 'set', 'vb-' + name, 'master', network.bridge);
    };
    ${lines}`;
  const node = [process.execPath, '--input-type=module-typescript', '--eval', script];
  return execFileSync('unshare', ['-rn', ...node], { encoding: 'utf8' });
};
const mayTry = spawnSync('unshare', ['-rn', 'ip', 'link'], { stdio: 'ignore' }).status === 0;

test.runIf(mayTry)('a machine that starts anew is found on the first half of the bridge', () => {
  const routes = inNamespace(`
    cable('n1');
    network.split('n1', '192.0.2.11', true);
    console.log(ip('route', 'get', '192.0.2.11'));
    network.forget('n1', '192.0.2.11');
    cable('n1');
    console.log(ip('route', 'get', '192.0.2.11'));
  `);
  expect(routes.match(/dev lab\d/g)).toEqual(['dev lab1', 'dev lab0']);
});
