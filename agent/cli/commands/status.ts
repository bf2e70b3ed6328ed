/**
 * `baton status` and `baton why`: ask once, or once a second, and show.
 *
 * With --watch a lost agent is shown and asked again: watching an upgrade is what it is for.
 */
import { seconds } from '../../../shared/time/duration.ts';
import { render } from '../layout/lines.ts';
import { statusJson } from '../layout/status-json.ts';
import { statusLines } from '../layout/status-lines.ts';
import { whyLines } from '../layout/why-lines.ts';
import type { Exit, World } from '../world.ts';
import { askStatus, failed, type Values } from './agent-question.ts';

const PERIOD = seconds(1);

export async function status(
  world: World,
  values: Values,
  flags: ReadonlySet<string>,
): Promise<Exit> {
  const json = flags.has('json');
  if (flags.has('watch')) return watch(world, values, json);
  const answer = await askStatus(world, values);
  if (!answer.ok) return failed(world, answer);
  const look = world.output.look();
  const lines = json
    ? [JSON.stringify(statusJson(answer.value))]
    : render(statusLines(answer.value, look.width), look);
  world.output.print(lines);
  return 0;
}

export async function why(world: World, values: Values, flags: ReadonlySet<string>): Promise<Exit> {
  const answer = await askStatus(world, values);
  if (!answer.ok) return failed(world, answer);
  const { self, reports, ranking } = answer.value;
  if (flags.has('json')) {
    const told = [self, ...reports.filter((report) => report.node !== self.node)];
    const nodes = told.map(({ node, role, epoch, master, reasons, promotion }) => {
      return { node, role, epoch, master, reasons, promotion };
    });
    world.output.print([JSON.stringify({ nodes, ranking })]);
    return 0;
  }
  const lines = whyLines(answer.value, { everybody: flags.has('all') });
  world.output.print(render(lines, world.output.look()));
  return 0;
}

/** Until the person interrupts; that is its proper end, so the exit status is 0. */
async function watch(world: World, values: Values, json: boolean): Promise<Exit> {
  let stop = (): void => undefined;
  const stopped = new Promise<null>((resolve) => {
    stop = () => resolve(null);
  });
  world.onInterrupt(() => stop());
  for (;;) {
    // A question that hangs must not hold up Ctrl-C.
    const answer = await Promise.race([stopped, askStatus(world, values)]);
    if (answer === null) return 0;
    if (json) printJson(world, answer);
    else world.output.redraw(picture(world, answer));
    const next = pause(world);
    const ended = await Promise.race([stopped, next.over]);
    next.cancel();
    if (ended === null) return 0;
  }
}

function pause(world: World): { readonly over: Promise<'over'>; cancel(): void } {
  let cancel = (): void => undefined;
  const over = new Promise<'over'>((resolve) => {
    const timer = world.clock.in(PERIOD, () => resolve('over'));
    cancel = () => timer.cancel();
  });
  return { over, cancel: () => cancel() };
}

type Answer = Awaited<ReturnType<typeof askStatus>>;

/** JSON lines: a reader sees the gap as an object of its own, not as silence. */
const printJson = (world: World, answer: Answer): void =>
  world.output.print([
    JSON.stringify(answer.ok ? statusJson(answer.value) : { error: answer.message }),
  ]);

function picture(world: World, answer: Answer): string[] {
  const look = world.output.look();
  if (answer.ok) return render(statusLines(answer.value, look.width), look);
  return answer.message.split('\n').map((text, at) => look.paint(at === 0 ? 'bad' : 'dim', text));
}
