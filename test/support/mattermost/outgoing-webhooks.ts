import type { Channel, OutgoingWebhook, Post, World } from './mattermost-world.ts';

/** Calls those that a post concerns, and waits for their answers. The server repeats nothing. */
export async function callWebhooks(world: World, post: Post): Promise<void> {
  const channel = world.channels.get(post.channel_id) as Channel;
  if (channel.type !== 'O') return;
  const [firstWord = ''] = post.message.split(/\s+/);
  for (const hook of world.webhooks) {
    if (hook.channelId !== null && hook.channelId !== channel.id) continue;
    const isAny = hook.triggerWords.length === 0 && hook.channelId === channel.id;
    const trigger = hook.triggerWords.find((word) => word === firstWord) ?? '';
    if (!isAny && trigger === '') continue;
    await callWebhook(hook, webhookFields(world, hook, post, channel, trigger));
  }
}

async function callWebhook(
  hook: OutgoingWebhook,
  fields: Readonly<Record<string, string | number>>,
): Promise<void> {
  const isJson = hook.contentType === 'application/json';
  const timestamp = Math.floor(Number(fields.timestamp) / 1000);
  const form = Object.entries({ ...fields, timestamp }).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  const body = isJson ? JSON.stringify(fields) : new URLSearchParams(form).toString();
  const headers = { 'content-type': hook.contentType, accept: 'application/json' };
  await fetch(hook.url, { method: 'POST', headers, body }).then(
    (response) => response.arrayBuffer(),
    () => {}, // the server does not repeat it
  );
}

/** As `OutgoingWebhookPayload` of the server: which thread a post is in is not part of it. */
export function webhookFields(
  world: World,
  hook: Pick<OutgoingWebhook, 'token'>,
  post: Post,
  channel: Channel,
  trigger: string,
): Readonly<Record<string, string | number>> {
  return {
    token: hook.token,
    team_id: channel.team_id,
    team_domain: world.teams.get(channel.team_id)?.name ?? '',
    channel_id: channel.id,
    channel_name: channel.name,
    timestamp: post.create_at,
    user_id: post.user_id,
    user_name: world.users.get(post.user_id)?.username ?? '',
    post_id: post.id,
    text: post.message,
    trigger_word: trigger,
    file_ids: post.file_ids.join(','),
  };
}
