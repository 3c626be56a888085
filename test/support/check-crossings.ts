import type { Simulator } from '../../src/simulator/simulator.ts';
import type { WorkspaceSeed } from '../../src/simulator/workspace.ts';
import { type Said, standingOf, type Violation } from './check-promises.ts';

/** What a model was sent. */
export interface Prompt {
  readonly system: string;
  readonly text: string;
}

/**
 * Invariant 5, held against everything that is stored, was sent to models and stands in Slack: what was said in one
 * channel of one workspace is found nowhere else, and each agent speaks in its own workspace only.
 */
export async function checkCrossings(input: {
  readonly query: (text: string) => Promise<readonly Record<string, unknown>[]>;
  readonly simulator: Simulator;
  readonly workspaces: readonly WorkspaceSeed[];
  readonly said: readonly Said[];
  readonly prompts: readonly Prompt[];
}): Promise<readonly Violation[]> {
  const violations: Violation[] = [];
  const placeOf = new Map(
    input.said.map(({ token, workspaceId, channelId }) => [token, { workspaceId, channelId }]),
  );
  const tokensIn = (text: string) => [...new Set([...text.matchAll(/\bq\d+\b/g)].map(([token]) => token))];

  const stored = (await input.query(`
    select m.id, m.direction, m.content, m.channel_id, k.external_id as workspace_id, c.connection_id = m.connection_id
      and c.tenant_id = m.tenant_id and k.tenant_id = m.tenant_id as consistent
    from konstruct.messages m
    join konstruct.conversations c on c.id = m.conversation_id
    join konstruct.connections k on k.id = m.connection_id`)) as unknown as readonly StoredMessage[];
  for (const message of stored) {
    const strangers = tokensIn(message.content).filter((token) => {
      const place = placeOf.get(token);
      return place?.workspaceId !== message.workspace_id || place?.channelId !== message.channel_id;
    });
    if (strangers.length > 0 || !message.consistent) {
      violations.push({ promise: 'a message is stored where it was said', detail: { message, strangers } });
    }
  }

  for (const { system, text } of input.prompts) {
    const tokens = tokensIn(text);
    const channels = new Set(tokens.map((token) => placeOf.get(token)?.channelId));
    const workspaceId = placeOf.get(tokens[0] ?? '')?.workspaceId;
    const agents = input.workspaces
      .filter(({ name }) => system.includes(`Persona of ${name}.`))
      .map(({ id }) => id);
    if (channels.size > 1 || (tokens.length > 0 && (agents.length !== 1 || agents[0] !== workspaceId))) {
      violations.push({
        promise: 'a prompt holds one conversation',
        detail: { tokens, channels: [...channels], agents },
      });
    }
  }

  const owners = new Map(
    (
      (await input.query(`
        select d.id, k.external_id as workspace_id from konstruct.deliveries d
        left join konstruct.turns t on t.id = d.turn_id
        left join konstruct.conversations c on c.id = t.conversation_id
        join konstruct.connections k on k.id = coalesce(d.connection_id, c.connection_id)
          and k.tenant_id = d.tenant_id`)) as unknown as readonly { id: string; workspace_id: string }[]
    ).map(({ id, workspace_id }) => [id, workspace_id]),
  );
  for (const { id } of input.workspaces) {
    for (const message of standingOf(input.simulator, id)) {
      const strangers = tokensIn(message.text).filter(
        (token) => placeOf.get(token)?.channelId !== message.channelId,
      );
      if (strangers.length > 0 || owners.get(message.deliveryId) !== id) {
        violations.push({ promise: 'an agent speaks where it was asked', detail: { message, strangers } });
      }
    }
  }
  return violations;
}

interface StoredMessage {
  readonly id: string;
  readonly direction: 'in' | 'out';
  readonly content: string;
  readonly channel_id: string;
  readonly workspace_id: string;
  readonly consistent: boolean;
}
