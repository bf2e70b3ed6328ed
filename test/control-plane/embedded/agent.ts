/**
 * Stays up as k3s's agent would, and does nothing else: no kubelet, no load balancer.
 *
 * As k3s's agent it tells the service manager that it is ready only once a server's API is, and
 * asks each 2 s until then, for ever: its `Type=notify` unit is "activating" for as long. Source:
 * k3s pkg/agent/run.go, createProxyAndValidateToken and the notification at the end of run.
 */
import { request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentConfiguration } from './configuration.ts';
import { info } from './log.ts';
import { notifySystemd } from './notify.ts';
import { EMBEDDED_VERSION } from './version.ts';

const ASK_EVERY_MS = 2000;
const TOLD_EVERY_MS = 60_000;

/** Whether an API is ready there now. Its certificate is not looked at: nothing is told to it. */
const isReady = (server: string): Promise<boolean> =>
  new Promise((resolve) => {
    const asked = request(
      new URL('/readyz', server),
      { rejectUnauthorized: false, agent: false, timeout: ASK_EVERY_MS },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode === 200);
      },
    );
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
    asked.end();
  });

/** Resolves early when it is to stop. */
const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, undefined, { signal }).catch(() => {});

export const runAgent = async (
  { server, nodeName }: AgentConfiguration,
  stop: AbortSignal,
): Promise<void> => {
  info(
    `Starting k3s agent ${EMBEDDED_VERSION} (stand-in, no pods) node=${nodeName} server=${server}`,
  );
  while (!stop.aborted && !(await isReady(server))) await pause(ASK_EVERY_MS, stop);
  if (stop.aborted) return;
  info('k3s agent is up and running');
  notifySystemd('READY=1');
  while (!stop.aborted) {
    await pause(TOLD_EVERY_MS, stop);
    if (!stop.aborted) info(`Agent is up, follows ${server}`);
  }
};
