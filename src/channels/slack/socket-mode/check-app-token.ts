import { createSlackClient, type SlackClientOptions } from '../client.ts';

/**
 * Asks Slack whether an app-level token can open sockets, and opens none: the ticket it gets runs out.
 * @throws KonstructError `platform_rejected` with Slack's word in `details.platformError`, `platform_unavailable`, …
 */
export async function checkAppToken(
  options: SlackClientOptions,
  token: string,
  signal: AbortSignal,
): Promise<void> {
  const client = createSlackClient(options);
  try {
    const access = { connectionId: 'app token', externalId: '', credentials: { botToken: token } };
    const call = { method: 'apps.connections.open', arguments: {}, idempotent: true, maxWaitMs: 0 };
    await client.call(access, call, signal);
  } finally {
    client.close();
  }
}
