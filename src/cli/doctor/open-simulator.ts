import { createSlackChannel } from '../../channels/slack/index.ts';
import type { Channel } from '../../core/channel.ts';
import { systemTime } from '../../system-time.ts';
import { CHECK_TIMEOUT_MS, type DoctorContext } from './check.ts';
import { ownAddress } from './own-address.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** The simulator of a `konstruct dev` that runs here, as Slack; `null`: none does. */
export async function openSimulator({
  config,
  fetch,
  signal,
}: Pick<DoctorContext, 'config' | 'fetch' | 'signal'>): Promise<Channel | null> {
  const simulator = `${ownAddress(config)}/simulator`;
  try {
    const response = await fetch(`${simulator}/control/workspaces`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]),
      redirect: 'manual',
    });
    if (response.status !== 200) return null;
    const body = (await response.json()) as { readonly workspaces?: unknown };
    if (!Array.isArray(body.workspaces)) return null;
  } catch {
    signal.throwIfAborted();
    return null; // nothing runs there, or something else
  }
  return createSlackChannel({ apiUrl: `${simulator}/api/`, ...systemTime, log: silent });
}
