/**
 * Which data-path gate this machine gets, and whether its timing is safe with it.
 *
 * Where the kernel's gate was wanted and does not work, the killers that poll are all there is: the
 * timing rules then ask for one dead man's period more (agent/core/lease/timing-rules.ts). The
 * shipped lease has room for it, so that a missing nftables is a finding there; settings without
 * room end the start, before anything was risked. Where no gate is wanted, one that an earlier
 * start left in the kernel is removed: nobody would open it again. Source: DESIGN section 3, point
 * 4.
 */
import { BatonError } from '../../shared/errors/baton-error.ts';
import { type DataPathGate, openDataPath } from '../actions/gate.ts';
import { nftGate, removeGate } from '../adapters/nft-gate.ts';
import type { NftPlace } from '../adapters/nft-process.ts';
import { timingOf } from '../config/rules.ts';
import type { AgentSettings } from '../config/settings-types.ts';
import { brokenTimingRules } from '../core/lease/timing-rules.ts';

/** @throws BatonError `settings-invalid`: no kernel's gate, and no room in the lease for that. */
export async function dataPathGate(
  settings: AgentSettings,
  place: NftPlace,
): Promise<DataPathGate> {
  if (settings.network.data_path_gate === 'none') return withoutGate(settings, place);
  // k3s's own supervisor port is the API's; the two older ones are not served any more.
  const gate = await nftGate(place, [settings.k3s.api_port]);
  const problem = gate.problem();
  const [broken] = problem === null ? [] : brokenTimingRules(timingOf(settings, false));
  if (broken === undefined) return gate;
  gate.close();
  throw new BatonError(
    'settings-invalid',
    'operational',
    `${problem} - install nftables, or lengthen the lease: ${broken.sum}`,
    { context: { rule: broken.rule } },
  );
}

/** The demo has no right to nft, and a gate on its machine would belong to another agent. */
async function withoutGate({ k3s }: AgentSettings, place: NftPlace): Promise<DataPathGate> {
  if (k3s.unit_manager === 'process') return openDataPath;
  const problem = await removeGate(place);
  if (problem === null) return openDataPath;
  const text = `a gate from before may keep the API shut: ${problem}`;
  return { ...openDataPath, problem: () => text };
}
