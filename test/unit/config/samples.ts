/** Settings files for tests: a small valid one, and the same with one place changed. */
import { type AgentSettings, loadAgentSettings } from '../../../agent/config.ts';
import type { LoadedSettings } from '../../../shared/config/load.ts';
import type { SettingsProblem } from '../../../shared/config/problems.ts';

export const FILE = '/etc/baton/agent.yaml';

export const agentText = `node:
  name: pi1
cluster:
  nodes:
    - name: pi1
      address: 192.168.1.11
      coordinator: true
    - name: pi2
      address: 192.168.1.12
    - name: pi3
      address: 192.168.1.13
      eligible: false
`;

/** `agentText` with one place replaced; a place that is not there fails the test. */
export function changed(from: string, to: string, text = agentText): string {
  if (!text.includes(from)) throw new TypeError(`not in the sample: ${from}`);
  return text.replace(from, () => to);
}

export const problemsOf = <Settings>(
  loaded: LoadedSettings<Settings>,
): readonly SettingsProblem[] => (loaded.ok ? [] : loaded.problems);

/** `[line, key, rule, text]` of every problem the agent finds in `text`. */
export const agentProblems = (text: string): [number, string, string, string][] =>
  problemsOf(loadAgentSettings(text, FILE)).map((one) => [one.line, one.key, one.rule, one.text]);

const accepted = <Settings>(loaded: LoadedSettings<Settings>): Settings => {
  if (loaded.ok) return loaded.settings;
  throw new TypeError(`refused: ${JSON.stringify(loaded.problems)}`);
};

export const agentSettings = (text = agentText): AgentSettings =>
  accepted(loadAgentSettings(text, FILE));
