import type { ActionEvent } from '../../core/channel-event.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asText } from '../read-json.ts';
import { answeredBlocks } from './choices.ts';
import type { SlackClient } from './client.ts';

/** `chat.update` takes no more. */
const MAX_FALLBACK_CHARACTERS = 4_000;

/**
 * Takes the buttons off a message and shows who has chosen what. Slack itself waits for the ack alone. By `chat.update`
 * and not by the press's `response_url`: that one is not said to keep a message's metadata, by which it is found again.
 *
 * Source: https://docs.slack.dev/interactivity/handling-user-interaction, https://docs.slack.dev/reference/methods/chat.update
 */
export async function acknowledgeAction(
  client: SlackClient,
  access: ConnectionAccess,
  { channelId, messageId, choice, sender, reply }: ActionEvent,
  signal: AbortSignal,
): Promise<void> {
  const blocks = answeredBlocks(reply.blocks, choice, sender.externalId);
  if (blocks === null) return;
  const metadata = asRecord(reply.metadata);
  await client.call(
    access,
    {
      method: 'chat.update',
      idempotent: true,
      arguments: {
        channel: channelId,
        ts: messageId,
        text: asText(reply.text).slice(0, MAX_FALLBACK_CHARACTERS) || choice,
        blocks,
        ...(metadata !== null && { metadata }),
      },
    },
    signal,
  );
}
