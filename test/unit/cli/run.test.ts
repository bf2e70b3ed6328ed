/** Every verb as a whole: what is asked of the agent, what is said, and the exit status. */
import { describe, expect, test } from 'vitest';
import { noColours, render } from '../../../agent/cli/layout/lines.ts';
import { statusLines } from '../../../agent/cli/layout/status-lines.ts';
import { seconds } from '../../../shared/time/duration.ts';
import { version } from '../../../shared/version.ts';
import { answering, fakeWorld, settingsText } from './fake-world.ts';
import { healthy } from './samples.ts';

const SETTINGS = '/etc/baton/agent.yaml';
const status = () => answering({ ok: true, ...healthy() });
const gone = { ok: false, message: 'the agent is not running\nstart it' } as const;

describe('status', () => {
  test('prints the picture of what the agent answers', async () => {
    const world = fakeWorld();
    world.answer = status();
    expect(await world.baton('status')).toBe(0);
    const look = { width: 80, paint: noColours };
    expect(world.printed).toEqual(render(statusLines(healthy(), 80), look));
    expect(world.asked).toEqual([
      { socket: '/run/baton/control.sock', request: { verb: 'status' } },
    ]);
  });

  test('--json is one object with the conclusions first', async () => {
    const world = fakeWorld();
    world.answer = status();
    expect(await world.baton('status', '--json')).toBe(0);
    expect(world.printed).toHaveLength(1);
    const told = JSON.parse(world.printed[0] ?? '');
    expect(told.cluster).toEqual({
      epoch: 12,
      master: 'pi1',
      serving: true,
      members: ['pi1', 'pi2', 'pi3', 'pi4', 'pi5'],
      reachable: ['pi1', 'pi2', 'pi3', 'pi4', 'pi5'],
      majority: 3,
      spare: 2,
      next: ['pi2', 'pi3'],
    });
    const { cluster: _, ok: __, ...answer } = told;
    expect(answer).toEqual(healthy());
  });

  test('an agent that cannot be asked ends with 3, what happened and what to do', async () => {
    const world = fakeWorld();
    world.answer = gone;
    expect(await world.baton('status')).toBe(3);
    expect(world.printed).toEqual([]);
    expect(world.complained).toEqual(['error: the agent is not running', '       start it']);
  });

  test('settings that are refused explain why no agent answers', async () => {
    const world = fakeWorld({ [SETTINGS]: `${settingsText}\nleese: {}\n` });
    world.answer = gone;
    expect(await world.baton('status')).toBe(3);
    expect(world.complained.join('\n')).toMatch(/agent\.yaml:\d+: leese/);
  });

  test('settings that somebody named and that are not there are not passed over', async () => {
    const world = fakeWorld();
    expect(await world.baton('status', '--settings', '/nowhere.yaml')).toBe(1);
    expect(world.asked).toEqual([]);
    expect(world.complained[0]).toBe('error: there is no file /nowhere.yaml');
  });

  test('an answer of another version is not half understood', async () => {
    const world = fakeWorld();
    world.answer = answering({
      ok: true,
      self: { node: 'pi1' },
      reports: [],
      ranking: null,
      heard: [],
      coordinators: [],
    });
    expect(await world.baton('status')).toBe(1);
    expect(world.complained.join('\n')).toContain('compare "baton --version"');
  });
});

describe('where the agent is asked', () => {
  const asked = async (args: readonly string[], environment = {}) => {
    const world = fakeWorld(
      { [SETTINGS]: `${settingsText}\npaths: { run_dir: /run/elsewhere }\n` },
      environment,
    );
    world.answer = status();
    await world.baton('status', ...args);
    return world.asked[0]?.socket;
  };

  test('--socket, then BATON_SOCKET, then the settings', async () => {
    expect(await asked(['--socket', '/a'], { BATON_SOCKET: '/b' })).toBe('/a');
    expect(await asked([], { BATON_SOCKET: '/b' })).toBe('/b');
    expect(await asked([], { BATON_SOCKET: '' })).toBe('/run/elsewhere/control.sock');
  });
});

describe('status --watch', () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  test('draws again each second, survives a lost agent, ends with 0', async () => {
    const world = fakeWorld();
    world.answer = status();
    const ended = world.baton('status', '--watch');
    await turn();
    expect(world.drawn).toHaveLength(1);
    world.answer = gone;
    world.clock.advance(seconds(1));
    await turn();
    expect(world.drawn[1]?.[0]).toBe('the agent is not running');
    world.answer = status();
    world.clock.advance(seconds(1));
    await turn();
    expect(world.drawn[2]?.[0]).toContain('pi1 is master');
    world.interrupt();
    expect(await ended).toBe(0);
  });

  test('--json prints one object per second, also for the gap', async () => {
    const world = fakeWorld();
    world.answer = gone;
    const ended = world.baton('status', '--watch', '--json');
    await turn();
    world.interrupt();
    expect(await ended).toBe(0);
    expect(world.printed.map((line) => JSON.parse(line))).toEqual([{ error: gone.message }]);
  });
});

test('why --json tells each node once, the newest of itself', async () => {
  const world = fakeWorld();
  world.answer = status();
  expect(await world.baton('why', '--json')).toBe(0);
  const told = JSON.parse(world.printed[0] ?? '');
  expect(told.nodes.map((one: { node: string }) => one.node).sort()).toEqual([
    'pi1',
    'pi2',
    'pi3',
    'pi4',
    'pi5',
  ]);
  expect(told.ranking).toEqual(healthy().ranking);
});

describe('orders', () => {
  const told = async (...args: string[]) => {
    const world = fakeWorld();
    world.answer = answering({ ok: true, text: 'done\nand said' });
    const exit = await world.baton(...args);
    return { exit, world, command: world.asked[0]?.request };
  };

  test.each([
    [['move'], { name: 'move', to: null }],
    [['move', 'pi2'], { name: 'move', to: 'pi2' }],
    [['leave'], { name: 'leave' }],
    [['found', '--yes'], { name: 'found' }],
    [['promote', '--i-know-the-other-is-dead', '--yes'], { name: 'promote', other_is_dead: true }],
  ])('%j', async (args, command) => {
    const { exit, world, command: sent } = await told(...args);
    expect(sent).toEqual({ verb: 'command', command });
    expect(world.printed).toEqual(['done', 'and said']);
    expect(exit).toBe(0);
  });

  test('a refusal is told as it is and ends with 1', async () => {
    const world = fakeWorld();
    world.answer = answering({ ok: false, text: 'pi2 has not been heard lately.' });
    expect(await world.baton('move', 'pi2')).toBe(1);
    expect(world.complained).toEqual(['error: pi2 has not been heard lately.']);
  });

  test('promote without its vow explains itself and asks nobody', async () => {
    const { exit, world, command } = await told('promote', '--yes');
    expect(exit).toBe(2);
    expect(command).toBeUndefined();
    expect(world.complained.join('\n')).toContain('--i-know-the-other-is-dead');
    for (const line of world.complained) expect(line.length).toBeLessThanOrEqual(80);
  });

  test.each([
    [null, 2],
    ['no', 1],
    ['', 1],
    ['yes', 0],
  ])('founding after the answer %j ends with %i', async (reply, exit) => {
    const world = fakeWorld();
    world.answer = answering({ ok: true, text: 'founded' });
    world.reply = reply;
    expect(await world.baton('found')).toBe(exit);
    expect(world.asked).toHaveLength(exit === 0 ? 1 : 0);
  });

  test('founding tells of both its uses, and what the second one costs', async () => {
    const world = fakeWorld();
    world.reply = 'no';
    await world.baton('found');
    const told = world.complained.join(' ').replaceAll(/\s+/g, ' ');
    expect(told).toContain('At the first start of a cluster');
    expect(told).toContain('an EMPTY cluster. Every object of the old one is gone');
    expect(world.questions).toEqual([expect.stringContaining('no other node holds rows')]);
  });
});

describe('mqtt', () => {
  test('the local line holds no key and goes to standard output alone', async () => {
    const world = fakeWorld({ [SETTINGS]: `${settingsText}\nmqtt: { reader_port: 2883 }\n` });
    expect(await world.baton('mqtt')).toBe(0);
    expect(world.printed).toEqual(["mosquitto_sub -h 127.0.0.1 -p 2883 -v -t 'baton/#'"]);
    expect(world.complained).toEqual([]);
  });

  test('the remote line names a coordinator, the others, and warns of the key', async () => {
    const world = fakeWorld({ [SETTINGS]: settingsText });
    await world.baton('keygen');
    world.printed.length = 0;
    expect(await world.baton('mqtt', '--remote')).toBe(0);
    expect(world.printed[0]).toMatch(
      /^mosquitto_sub -h 10\.0\.0\.11 -p 8883 --psk [0-9a-f]{64} --psk-identity reader@pi1 -v/,
    );
    expect(world.complained[0]).toContain('10.0.0.12 -p 8883');
    expect(world.complained[1]).toContain('do not paste');
  });

  test('without a key file it says which one is missing', async () => {
    const world = fakeWorld({ [SETTINGS]: settingsText });
    expect(await world.baton('mqtt', '--remote')).toBe(1);
    expect(world.complained[0]).toBe('error: there is no file /etc/baton/cluster.key');
  });
});

describe('keygen', () => {
  const folder = { '/etc/baton/README': 'the folder is there' };

  test('writes a key for its owner only, and never over another one', async () => {
    const world = fakeWorld(folder);
    expect(await world.baton('keygen')).toBe(0);
    expect(world.files.mode('/etc/baton/cluster.key')).toBe(0o600);
    const key = world.files.read('/etc/baton/cluster.key');
    expect(await world.baton('keygen')).toBe(1);
    expect(world.files.read('/etc/baton/cluster.key')).toBe(key);
    expect(world.complained[0]).toContain('is left as it is');
  });

  test('a bundle is for a node that is not eligible, and is not the cluster key', async () => {
    const world = fakeWorld({ [SETTINGS]: settingsText });
    await world.baton('keygen');
    const key = (world.files.read('/etc/baton/cluster.key') ?? '').trim();
    expect(await world.baton('keygen', '--for', 'pi4', '--out', '/etc/baton/pi4.key')).toBe(0);
    const bundle = world.files.read('/etc/baton/pi4.key') ?? '';
    expect(bundle).toContain('pi4');
    expect(bundle).not.toContain(key);
    expect(await world.baton('keygen', '--for', 'pi2', '--out', '/etc/baton/pi2.key')).toBe(1);
    expect(world.files.read('/etc/baton/pi2.key')).toBeNull();
  });

  test('--out - prints the key and nothing else', async () => {
    const world = fakeWorld();
    expect(await world.baton('keygen', '--out', '-')).toBe(0);
    expect(world.printed).toHaveLength(1);
    expect(world.files.texts.size).toBe(0);
  });

  test('without its folder it says what to do', async () => {
    const world = fakeWorld();
    expect(await world.baton('keygen')).toBe(1);
    expect(world.complained[0]).toBe('error: there is no folder for /etc/baton/cluster.key');
  });

  test('a full disk is told, not thrown', async () => {
    const world = fakeWorld(folder);
    world.files.full(true);
    expect(await world.baton('keygen')).toBe(1);
    expect(world.complained[0]).toContain('disk-full');
  });
});

describe('calls', () => {
  test.each([
    [['--version'], `baton ${version}`],
    [['version'], `baton ${version}`],
    [['help', 'move'], 'Usage: baton move [node]'],
    [['move', '--help'], 'Usage: baton move [node]'],
    [[], 'baton keeps a small k3s cluster alive when its only server dies.'],
  ])('%j', async (args, first) => {
    const world = fakeWorld();
    expect(await world.baton(...args)).toBe(0);
    expect(world.printed[0]).toBe(first);
  });

  test.each([
    [['stauts'], 'there is no verb "stauts"; did you mean "baton status"?'],
    [['help', 'stauts'], 'there is no verb "stauts"; did you mean "baton status"?'],
    [['status', '--jsn'], 'there is no option --jsn; did you mean --json?'],
  ])('%j is wrong', async (args, message) => {
    const world = fakeWorld();
    expect(await world.baton(...args)).toBe(2);
    expect(world.complained[0]).toBe(`error: ${message}`);
    expect(world.asked).toEqual([]);
  });
});
