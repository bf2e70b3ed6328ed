/**
 * Watches: a stream of JSON lines, one per change after a revision.
 *
 * As on Kubernetes: a start below the compaction mark is told `410 Expired` as an event, a start
 * beyond the head waits in silence (that is how revisions that are used twice go unseen), and no
 * start or 0 sends what exists first. No bookmarks.
 */
import type { ServerResponse } from 'node:http';
import type { AccessRecord } from './access-log.ts';
import type { Datastore, Row } from './datastore.ts';

export type Json = Readonly<Record<string, unknown>>;
export interface KubernetesObject extends Json {
  readonly metadata: Json;
}

/** A stored value as the API shows it, with its revision. */
export const toObject = (value: Uint8Array, revision: number): KubernetesObject => {
  const object = JSON.parse(Buffer.from(value).toString('utf8')) as KubernetesObject;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
};

const event = (type: string, object: Json): string => `${JSON.stringify({ type, object })}\n`;

const rowEvent = (row: Row): string => {
  if (row.deleted) return event('DELETED', toObject(row.oldValue, row.revision));
  return event(row.created ? 'ADDED' : 'MODIFIED', toObject(row.value, row.revision));
};

const expired = (from: number, mark: number): string =>
  event('ERROR', {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `too old resource version: ${from} (${mark})`,
    reason: 'Expired',
    code: 410,
  });

/** Serves one watch until its client, its time limit or the returned function ends it. */
export const watch = (
  store: Datastore,
  prefix: string,
  query: URLSearchParams,
  response: ServerResponse,
  record: AccessRecord,
): (() => void) => {
  let from = Number(query.get('resourceVersion') ?? 0) || 0;
  const limit = Number(query.get('timeoutSeconds') ?? 0) || 0;
  record.opened(200);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.flushHeaders();
  let stop = (): void => undefined;
  const end = (): void => {
    stop();
    stop = () => undefined;
    if (!response.writableEnded) response.end();
  };
  response.once('close', () => {
    stop();
    record.answered(200);
  });
  if (from > 0 && from < store.compacted()) {
    response.write(expired(from, store.compacted()));
    end();
    return end;
  }
  if (from === 0) {
    const { rows, head } = store.list(prefix);
    for (const row of rows) response.write(event('ADDED', toObject(row.value, row.revision)));
    from = head;
  }
  const follow = (): void => {
    for (const row of store.after(prefix, from)) {
      response.write(rowEvent(row));
      from = row.revision;
    }
  };
  const unsubscribe = store.onAppend(follow);
  const timer = limit > 0 ? setTimeout(end, limit * 1000) : undefined;
  stop = () => {
    unsubscribe();
    clearTimeout(timer);
  };
  follow();
  return end;
};
