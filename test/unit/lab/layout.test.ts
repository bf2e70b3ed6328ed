/** What the lab writes as settings is what the daemons take, for every size of cluster. */
import { expect, test } from 'vitest';
import { loadAgentSettings } from '../../../agent/config.ts';
import { loadCoordinatorSettings } from '../../../coordinator/config.ts';
import {
  agentSettingsText,
  coordinatorSettingsText,
  listenPoints,
  placeNodes,
} from '../../lab/layout.ts';

const wishes = { k3sCommand: '/lab/k3s-embedded' };

test.each([3, 4, 5, 6, 7])('the settings of %i nodes are accepted by the daemons', (count) => {
  const places = placeNodes('/lab', count);
  for (const place of places) {
    const agent = loadAgentSettings(agentSettingsText(place, places, wishes), 'agent.yaml');
    expect(agent).toMatchObject({ ok: true });
    if (!place.coordinator) continue;
    const text = coordinatorSettingsText(place, places);
    expect(loadCoordinatorSettings(text, 'coordinator.yaml')).toMatchObject({ ok: true });
  }
  expect(places.filter(({ coordinator }) => coordinator)).toHaveLength(3);
});

test('timings are the defaults unless a lab asks for others', () => {
  const [place] = placeNodes('/lab', 3);
  if (place === undefined) throw new TypeError('a lab has nodes');
  const places = placeNodes('/lab', 3);
  const load = (text: string) => {
    const loaded = loadAgentSettings(text, 'agent.yaml');
    return loaded.ok ? loaded.settings : loaded.problems;
  };
  const usual = load(agentSettingsText(place, places, wishes));
  expect(usual).toMatchObject({ lease: { lease_duration_ms: 8000, fence_after_ms: 5000 } });
  const overrides = { lease: { retire_after_ms: 60_000 } };
  const other = load(agentSettingsText(place, places, { ...wishes, overrides }));
  expect(other).toMatchObject({ lease: { retire_after_ms: 60_000, lease_duration_ms: 8000 } });
});

test('no two nodes share an address, a folder or a port', () => {
  const places = placeNodes('/lab', 7, '127.0.5');
  const points = listenPoints(places).map(({ host, port }) => `${host}:${port}`);
  expect(new Set(points).size).toBe(points.length);
  expect(points).toContain('127.0.5.11:6443');
  expect(new Set(places.map(({ folder }) => folder)).size).toBe(7);
});

test('what a power cut takes is apart from what a disk keeps', () => {
  for (const place of placeNodes('/lab', 3)) {
    const kept = [place.stateDir, place.k3sDataDir, place.hostsFile, place.keyFile];
    for (const path of kept) expect(path.startsWith(`${place.run}/`)).toBe(false);
    for (const path of [place.leaseFile, place.controlSocket]) {
      expect(path.startsWith(`${place.run}/`)).toBe(true);
    }
  }
});
