/** What test/SIM.md lists and counts is what the simulator has. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { coreConfig } from '../../../agent/config.ts';
import { ruleNames } from '../../sim/checks/judge.ts';
import { electionBound } from '../../sim/checks/liveness.ts';
import { covered, emptyCoverage } from '../../sim/coverage.ts';
import { leaseMutants } from '../../sim/mutants/lease-mutants.ts';
import { mutants } from '../../sim/mutants/table.ts';
import { agentSettings } from '../config/samples.ts';

const text = readFileSync(join(import.meta.dirname, '../../SIM.md'), 'utf8');
const prose = text.replaceAll('\n', ' ');

/** First cells of the first table after `heading`, without its head. */
function firstCells(heading: string): readonly string[] {
  const table = /(?:^\|.*\n)+/m.exec(text.slice(text.indexOf(`\n## ${heading}\n`)))?.[0] ?? '';
  const rows = table.trimEnd().split('\n').slice(2);
  return rows.map((row) => row.split('|')[1]?.trim() ?? '');
}

describe('SIM.md', () => {
  it('lists every rule of the judge', () => {
    const listed = firstCells('What counts as a violation').flatMap((cell) => cell.split(', '));
    expect(listed.toSorted()).toEqual([...ruleNames].sort());
  });

  it('lists every mutant, and counts them', () => {
    const listed = firstCells('Mutants').map((cell) => cell.replace(/ \(pair\)$/, ''));
    expect(listed.toSorted()).toEqual(mutants.map(({ name }) => name).sort());
    expect(prose).toContain(`All ${mutants.length} are caught`);
    // Three of the list are besides the table: mutants/lease-mutants.ts names them.
    const ofTheTable = leaseMutants.length - 3;
    expect(prose).toContain(`the ${ofTheTable} errors that the table`);
    expect(prose).toContain(`and ${mutants.length - ofTheTable} more`);
    const flawed = mutants.filter(({ edits }) =>
      edits.some(({ file }) => file === 'test/sim/flaws.ts'),
    );
    expect(prose).toContain(`${flawed.length} switch on a flaw`);
  });

  it('gives the bound of the shipped settings and the places that can be reached', () => {
    const five = Array.from({ length: 5 }, (_, i) => ({
      name: `pi${i + 1}`,
      eligible: true,
      voter: true,
    }));
    const bound = electionBound({ ...coreConfig(agentSettings()), nodes: five });
    expect(prose).toContain(`${(bound / 1000).toFixed(1)} s for five nodes`);
    const { faults } = emptyCoverage();
    const { of } = covered(emptyCoverage());
    expect(prose).toContain(`Of its ${faults.length} places ${of} can be reached`);
  });
});
