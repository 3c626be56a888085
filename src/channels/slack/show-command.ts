import type { CommandEvent, MessageEvent } from '../../core/channel-event.ts';
import { isKonstructError, type KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, PostedMessage, ThreadTarget } from '../../core/outbound.ts';
import { asId, asRecord, asText } from '../read-json.ts';
import type { SlackClient } from './client.ts';
import { neutraliseMentions } from './outbound-text.ts';
import type { Respond } from './respond.ts';
import { markerMetadata } from './send.ts';
import { unavailable } from './slack-failure.ts';
import { findByMarker, type SlackReading } from './thread.ts';
import { timestampMs } from './timestamp.ts';

/** Slack waits 3 s for the ack: a limit that lasts longer is said to the person instead. */
const MAX_WAIT_MS = 1_000;

/**
 * Makes a message of a slash command: Slack shows the command to nobody, and gives it no `ts` that an answer could be a
 * thread of. So the app says in the channel who asks what, and answers below. Where it is not a member (another people's
 * direct conversation, a channel nobody invited it to) nobody there shall read along: it goes on in the direct conversation
 * with whoever asked, and they are told so where they asked.
 *
 * Source: https://docs.slack.dev/interactivity/implementing-slash-commands
 *
 * @throws KonstructError `platform_unavailable`, `aborted`, when it is not known whether it stands there
 */
export async function showCommand(
  { client, respond, reading }: { client: SlackClient; respond: Respond; reading: SlackReading },
  access: ConnectionAccess,
  command: CommandEvent,
  signal: AbortSignal,
): Promise<MessageEvent | null> {
  const name = asText(command.reply.command);
  const tell = (text: string) => respond(asText(command.reply.responseUrl), text, signal);
  if (command.text === '') {
    await tell(`Write what you want to know behind it: \`${name} how do refunds work?\``);
    return null;
  }
  const here = { channelId: command.channelId, threadId: null };
  try {
    return asMessage(command, here, await post(here));
  } catch (error) {
    if (!isKonstructError(error, 'platform_rejected')) return giveUp(error);
  }
  try {
    const there = { channelId: await openDirect(), threadId: null };
    const message = asMessage(command, there, await post(there));
    await tell(`I am not in this conversation, so I answer you in <#${there.channelId}>.`);
    return message;
  } catch (error) {
    return giveUp(error);
  }

  async function post(target: ThreadTarget): Promise<PostedMessage> {
    const marker = { deliveryId: `command:${command.commandId}` };
    // Over a socket Slack repeats what was not acked: the message may stand there already.
    const earlier = command.reply.isRepeated
      ? await findByMarker(reading, access, target, marker, signal)
      : null;
    if (earlier !== null) return earlier;
    const answer = await client.call(
      access,
      {
        method: 'chat.postMessage',
        idempotent: false,
        maxWaitMs: MAX_WAIT_MS,
        arguments: {
          channel: target.channelId,
          markdown_text: `<@${command.sender.externalId}>: ${neutraliseMentions(command.text)}`,
          metadata: markerMetadata(marker),
          unfurl_links: false,
          unfurl_media: false,
        },
      },
      signal,
    );
    if (typeof answer.ts !== 'string') throw unavailable('chat.postMessage', 'ts_missing', true);
    return { messageId: answer.ts };
  }

  async function openDirect(): Promise<string> {
    const method = 'conversations.open';
    const answer = await client.call(
      access,
      {
        method,
        idempotent: true,
        maxWaitMs: MAX_WAIT_MS,
        arguments: { users: command.sender.externalId },
      },
      signal,
    );
    const channelId = asId(asRecord(answer.channel)?.id);
    if (channelId === null) throw unavailable(method, 'channel_missing', false);
    return channelId;
  }

  /** What is refused for good, or for now, is said. What nobody knows is not acked: Slack tells the person. */
  async function giveUp(error: unknown): Promise<null> {
    if (!isKonstructError(error) || !isCertain(error)) throw error;
    const isBusy = error.code === 'platform_rate_limited';
    await tell(
      isBusy
        ? 'There is too much going on just now. Please try again in a moment.'
        : 'I cannot answer here. Invite me into the channel, or write me a direct message.',
    );
    return null;
  }
}

function isCertain({ code }: KonstructError): boolean {
  return code === 'platform_rejected' || code === 'platform_rate_limited';
}

/** It is said by whoever gave the command, and stands where the app has put it. */
function asMessage(
  { account, sender, text, mentions, reply }: CommandEvent,
  { channelId }: ThreadTarget,
  { messageId }: PostedMessage,
): MessageEvent {
  return {
    type: 'message',
    account,
    eventId: null,
    channelId,
    messageId,
    threadId: null,
    scope: channelId.startsWith('D') ? 'direct' : 'channel',
    sender,
    text,
    mentions,
    addressee: null,
    mentionsAgent: true,
    attachments: [],
    sentAtMs: timestampMs(messageId),
    channelMetadata: { command: asText(reply.command) },
  };
}
