/**
 * What befalls the machines, one function per case. Each begins with a settled cluster and ends
 * with one, so that cases can be played alone or one after the other in any order.
 *
 * A case returns what it measured and what it found wrong; it throws when the story stops (nobody
 * serves, somebody does not return).
 */
import type { Case } from './case.ts';
import { clockCases } from './cases-clock.ts';
import { clusterCases } from './cases-cluster.ts';
import { daemonCases } from './cases-daemons.ts';
import { diskCases } from './cases-disk.ts';
import { machineCases } from './cases-machine.ts';
import { startCases } from './cases-start.ts';

export const cases: readonly Case[] = [
  ...machineCases,
  ...diskCases,
  ...daemonCases,
  ...clusterCases,
  ...startCases,
  ...clockCases,
];
