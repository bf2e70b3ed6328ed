/**
 * Requests to the Kubernetes API of one node from outside, over connections that are kept alive.
 *
 * Certificates are not checked: what is measured is who answers, and the addresses are loopback.
 */
import { Agent, request } from 'node:https';
import { createSecureContext } from 'node:tls';
import { API_PORT } from './layout.ts';

export interface ApiAnswer {
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  readonly text: string;
  /** Wall clock in ms at the end of the answer, or of the wait. */
  readonly atMs: number;
}

export interface ApiCall {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
  readonly timeoutMs: number;
}

export interface ApiClient {
  /** Never rejects. */
  call(call: ApiCall): Promise<ApiAnswer>;
  close(): void;
}

/** One for all connections, without authorities: to make one costs more than to ask. */
const secureContext = createSecureContext({ ca: [] });

/** `name` is the user agent, which the access logs show. */
export const apiClient = (address: string, name: string): ApiClient => {
  const agent = new Agent({ keepAlive: true, rejectUnauthorized: false, secureContext });
  const call = ({ method, path, body, token, timeoutMs }: ApiCall): Promise<ApiAnswer> =>
    new Promise((resolve) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        'user-agent': name,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
      };
      const none = (): void => resolve({ status: 0, text: '', atMs: Date.now() });
      const signal = AbortSignal.timeout(timeoutMs);
      const outgoing = request(
        { host: address, port: API_PORT, method, path, headers, agent, signal },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk;
          });
          answer.on('error', none);
          answer.on('end', () =>
            resolve({ status: answer.statusCode ?? 0, text, atMs: Date.now() }),
          );
        },
      );
      outgoing.on('error', none);
      outgoing.end(payload);
    });
  return { call, close: () => agent.destroy() };
};
