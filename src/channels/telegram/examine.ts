import type { ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { asRecord, asText } from '../read-json.ts';
import type { TelegramClient } from './client.ts';
import { asInteger } from './ids.ts';

/** More than this waiting to be delivered is no rush but a stop. */
const MANY_PENDING = 100;
const RECENT_SECONDS = 15 * 60;

/** What getMe and getWebhookInfo say about a bot beside who it is. */
export async function examine(
  client: TelegramClient,
  access: ConnectionAccess,
  { webhookUrl }: ExaminedEnvironment,
  nowMs: number,
  signal: AbortSignal,
): Promise<readonly ConnectionFinding[]> {
  const ask = async (method: string) =>
    asRecord(await client.call(access, { method, arguments: {}, idempotent: true, place: null }, signal)) ??
    {};
  const [me, webhook] = await Promise.all([ask('getMe'), ask('getWebhookInfo')]);
  const findings: ConnectionFinding[] = [];
  if (me.can_join_groups !== true) {
    findings.push({
      level: 'warning',
      text: 'the bot cannot be added to groups.',
      remedy: 'Send /setjoingroups to @BotFather and enable it, unless the agent is for private chats only.',
    });
  }
  findings.push(
    me.can_read_all_group_messages === true
      ? { level: 'ok', text: 'in groups it sees every message and follows threads by itself.', remedy: null }
      : {
          level: 'ok',
          text: 'in groups it sees mentions, commands and replies to itself (privacy mode).',
          remedy: null,
        },
  );
  const url = asText(webhook.url);
  if (webhookUrl !== null && url !== webhookUrl) {
    findings.push({
      level: 'problem',
      text:
        url === ''
          ? 'Telegram does not send its messages here.'
          : 'Telegram sends its messages to another address.',
      remedy: 'Start `konstruct serve` with KONSTRUCT_PUBLIC_URL, which tells Telegram the address.',
    });
  }
  if (webhookUrl === null && url !== '') {
    findings.push({
      level: 'warning',
      text: 'Telegram sends its messages to a webhook, so none can be fetched.',
      remedy: 'Set KONSTRUCT_PUBLIC_URL to use webhooks; or start Konstruct, which takes the webhook away.',
    });
  }
  const failedAt = asInteger(webhook.last_error_date);
  if (webhookUrl !== null && failedAt !== null && nowMs / 1000 - failedAt < RECENT_SECONDS) {
    findings.push({
      level: 'warning',
      text: `Telegram could not deliver a message lately: ${asText(webhook.last_error_message)}.`,
      remedy: 'Check that KONSTRUCT_PUBLIC_URL is reachable from the internet and its certificate is valid.',
    });
  }
  const pending = asInteger(webhook.pending_update_count) ?? 0;
  if (pending >= MANY_PENDING) {
    findings.push({
      level: 'warning',
      text: `${pending} updates wait at Telegram.`,
      remedy: 'Start `konstruct serve`, or look into its log why it does not take them.',
    });
  }
  return findings;
}
