/**
 * What a power cut or a crash left of an installation. A tree that is whole is put in place when
 * it goes further than everything else this node has: the replica it was made from was in RAM.
 * One that is not whole is removed, for what it was copied from is still there or gone for good.
 *
 * No server has been up on these rows under the epoch that they were prepared for. So that is
 * noted first: with that epoch this node would outrank receivers that hold more.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StreamPosition } from '../../stream/api.ts';
import { isAhead } from '../../stream/lineage.ts';
import { type ServerLife, unservedFrom } from './durable.ts';
import { discardTrees, type InstallPlaces, placeServer, waitingTree } from './install.ts';
import { readLineage } from './lineage-table.ts';
import { ownServerPosition } from './own-server.ts';
import { quarantineServer } from './quarantine.ts';
import { datastoreError } from './sqlite-errors.ts';

const NOTHING: StreamPosition = { lineageEpoch: 0, revision: 0 };

/** Epoch that the tree was prepared for; null when its schema is unknown or it is damaged. */
const preparedFor = (path: string): number | null => {
  try {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    try {
      return readLineage(database).at(-1)?.epoch ?? null;
    } finally {
      database.close();
    }
  } catch {
    return null;
  }
};

/**
 * To be called before anything looks at `server/`. `held` is where the replica ends, `life` the
 * record of now; `note` writes that the tree of `epoch` was installed and never served.
 * Errors: `datastore-failed`, `disk-full`; everything is still there then.
 */
export const finishInstallation = (
  places: InstallPlaces,
  held: StreamPosition,
  life: ServerLife | null,
  note: (epoch: number) => void,
): void => {
  const tree = waitingTree(places);
  const path = `${tree}/db/state.db`;
  try {
    if (!existsSync(path)) return discardTrees(places);
    const epoch = preparedFor(path);
    const ends = ownServerPosition(path, epoch) ?? NOTHING;
    const placed = `${places.server}/db/state.db`;
    const present = ownServerPosition(placed, unservedFrom(life)) ?? NOTHING;
    if (isAhead(ends, held) && isAhead(ends, present)) {
      note(epoch ?? life?.epoch ?? 0);
      return placeServer(places);
    }
    // Not needed, as it seems; but nobody has looked through the replica yet (quick-check.ts).
    const isEmpty = epoch !== null && ends.revision === 0;
    if (!isEmpty) quarantineServer(tree, places.quarantine);
    discardTrees(places);
  } catch (error) {
    throw datastoreError(error, 'finish an interrupted installation');
  }
};
