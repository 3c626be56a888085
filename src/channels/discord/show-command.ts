import type { CommandEvent, MessageEvent } from '../../core/channel-event.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asText } from '../read-json.ts';
import type { DiscordClient } from './client.ts';
import { isRefusal, unavailable } from './discord-error.ts';
import { answerAt, asSnowflake, snowflakeMs } from './ids.ts';
import { CALLBACKS } from './parse.ts';
import { COMMAND } from './parse-interaction.ts';
import { missingPermissions } from './permissions.ts';
import { renderForDiscord } from './render-for-discord.ts';
import { NO_MENTIONS, SUPPRESS_EMBEDS } from './send.ts';

const EPHEMERAL = 1 << 6;
const MAX_QUESTION_CHARACTERS = 1_500;

/**
 * Makes a message of a command: Discord shows who gave it, and ours below says what they asked, so that the answer has
 * something to stand below. Where the bot could not go on they are told so, and nobody else.
 *
 * Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-callback
 *
 * @throws KonstructError `platform_unavailable`, `aborted`, when it is not known whether it stands there
 */
export async function showCommand(
  client: DiscordClient,
  access: ConnectionAccess,
  command: CommandEvent,
  signal: AbortSignal,
): Promise<MessageEvent | null> {
  const { reply, text, scope } = command;
  const threadId = asSnowflake(reply.threadId);
  if (text === '') {
    await answer(`Write what you want to know behind it: /${COMMAND.name} how do refunds work?`, EPHEMERAL);
    return null;
  }
  const wanted = threadId === null ? 'Send Messages' : 'Send Messages in Threads';
  const missing = scope === 'direct' ? [] : missingPermissions(reply.permissions, ['View Channels', wanted]);
  if (missing !== null && missing.length > 0) {
    await answer('I may not write here. Let me into this channel, or write me a direct message.', EPHEMERAL);
    return null;
  }
  const question =
    text.length > MAX_QUESTION_CHARACTERS ? `${text.slice(0, MAX_QUESTION_CHARACTERS)}…` : text;
  const messageId = await answer(
    renderForDiscord(question.toWellFormed().replace(/^/gm, '> ')),
    SUPPRESS_EMBEDS,
  );
  return messageId === null ? null : asMessage(command, messageId, threadId, reply.beginsThreads === true);

  /** @returns the message's id; `null`: the time for it is over */
  async function answer(content: string, flags: number): Promise<string | null> {
    const name = 'answer command';
    const [id, token] = [asText(reply.id), asText(reply.token)];
    // The token in the path is the proof: the answer counts towards no limit of the bot's.
    const call = { isAnonymous: true, name } as const;
    const data = { content, flags, allowed_mentions: NO_MENTIONS };
    try {
      const result = asRecord(
        await client.call(
          access,
          {
            ...call,
            method: 'POST',
            path: ['interactions', id, token, 'callback'],
            query: { with_response: 'true' },
            body: { type: CALLBACKS.message, data },
            idempotent: false,
          },
          signal,
        ),
      );
      return requireId(asRecord(asRecord(result?.resource)?.message)?.id);
    } catch (error) {
      if (isRefusal(error, 'interaction_over')) return null;
      if (!isRefusal(error, 'interaction_answered')) throw error;
      // It came a second time, because it could not be stored after it had been answered.
      const path = ['webhooks', access.externalId, token, 'messages', '@original'];
      return requireId(
        asRecord(await client.call(access, { ...call, method: 'GET', path, idempotent: true }, signal))?.id,
      );
    }

    function requireId(value: unknown): string {
      const messageId = asSnowflake(value);
      if (messageId === null) throw unavailable(name, 'id_missing', true);
      return messageId;
    }
  }
}

/** It is said by whoever gave the command, and stands where the app has put it. */
function asMessage(
  { account, channelId, scope, sender, text, mentions }: CommandEvent,
  messageId: string,
  threadId: string | null,
  beginsThreads: boolean,
): MessageEvent {
  const chain = { repliesTo: null, answerAt: answerAt(messageId, beginsThreads), isPart: false };
  return {
    type: 'message',
    account,
    eventId: null,
    channelId,
    messageId,
    threadId,
    ...(scope === 'channel' && threadId === null ? { chain } : {}),
    scope,
    sender,
    text,
    mentions,
    addressee: null,
    mentionsAgent: true,
    attachments: [],
    sentAtMs: snowflakeMs(messageId),
    channelMetadata: { command: COMMAND.name },
  };
}
