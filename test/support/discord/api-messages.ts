import type { APIMessage, APIUser } from 'discord-api-types/v10';
import {
  type Given,
  type Route,
  type RouteContext,
  requirePermission,
  visibleChannel,
} from './api-context.ts';
import { checkMessage, mentionedRoles, mentionedUsers } from './check-message.ts';
import {
  attachmentOf,
  type Channel,
  DiscordRefusal,
  invalidForm,
  type Message,
  PERMISSIONS,
  permissionsOf,
  TYPES,
  type World,
  wireChannel,
} from './discord-world.ts';

const MESSAGE = /^\/channels\/(\d+)\/messages\/(\d+)$/;
const MAX_FILE_BYTES = 10 * 1024 * 1024;
const UNKNOWN_EMOJI = /^[\w ]+$/;

export const messageRoutes: readonly Route[] = [
  {
    name: 'get messages',
    method: 'GET',
    path: /^\/channels\/(\d+)\/messages$/,
    fields: [],
    run(context, [id]) {
      const channel = visibleChannel(context, id);
      const { query } = context;
      const limit = Number(query.get('limit') ?? 50);
      if (!Number.isInteger(limit) || limit < 1 || limit > 100)
        throw invalidForm('limit', 'int value should be 1-100');
      const given = permissionsOf(context.world, context.app, channel) ?? 0n;
      if ((given & PERMISSIONS.readHistory) === 0n) return [];
      const before = query.get('before');
      const after = query.get('after');
      const all = [...channel.messages.values()].sort((a, b) => (BigInt(a.id) < BigInt(b.id) ? 1 : -1));
      const found = all
        .filter((each) => before === null || BigInt(each.id) < BigInt(before))
        .filter((each) => after === null || BigInt(each.id) > BigInt(after));
      // The nonce is shown once only, to whoever is told that the message was made.
      return (after === null ? found.slice(0, limit) : found.slice(-limit)).map(
        ({ nonce: _once, ...each }) => each,
      );
    },
  },
  {
    name: 'get message',
    method: 'GET',
    path: MESSAGE,
    fields: [],
    run(context, [channelId, messageId]) {
      const channel = visibleChannel(context, channelId);
      requirePermission(context, channel, PERMISSIONS.readHistory);
      return messageIn(channel, messageId);
    },
  },
  {
    name: 'create message',
    method: 'POST',
    path: /^\/channels\/(\d+)\/messages$/,
    fields: null,
    run: (context, [id], given) => createMessage(context, visibleChannel(context, id), given),
  },
  {
    name: 'edit message',
    method: 'PATCH',
    path: MESSAGE,
    fields: null,
    run(context, [channelId, messageId], given) {
      const channel = visibleChannel(context, channelId);
      const message = ownMessage(context, messageIn(channel, messageId));
      const { content, components, pings } = checkMessage(given, false, true);
      context.world.pings.push(...pings);
      if (given.content !== undefined) {
        if (content === '' && message.attachments.length === 0)
          throw new DiscordRefusal(400, 50006, 'Cannot send an empty message');
        message.content = content;
        message.edited_timestamp = new Date().toISOString();
      }
      if (given.components !== undefined) message.components = components;
      context.dispatch(channel, 'MESSAGE_UPDATE', message as unknown as Given);
      return message;
    },
  },
  {
    name: 'delete message',
    method: 'DELETE',
    path: MESSAGE,
    fields: [],
    run(context, [channelId, messageId]) {
      const channel = visibleChannel(context, channelId);
      const message = ownMessage(context, messageIn(channel, messageId));
      channel.messages.delete(message.id);
      context.dispatch(channel, 'MESSAGE_DELETE', deletionOf(channel, message.id));
      return null;
    },
  },
  {
    name: 'start thread',
    method: 'POST',
    path: /^\/channels\/(\d+)\/messages\/(\d+)\/threads$/,
    fields: ['name', 'auto_archive_duration'],
    run(context, [channelId, messageId], { name, auto_archive_duration }) {
      const channel = visibleChannel(context, channelId);
      if (channel.type !== TYPES.text)
        throw new DiscordRefusal(400, 50024, 'Cannot execute action on this channel type');
      requirePermission(context, channel, PERMISSIONS.startThreads);
      const message = messageIn(channel, messageId);
      if (typeof name !== 'string' || name.length < 1 || name.length > 100)
        throw invalidForm('name', 'Must be between 1 and 100 in length.');
      if (![60, 1440, 4320, 10080].includes(Number(auto_archive_duration)))
        throw invalidForm('auto_archive_duration', 'Value must be one of {60, 1440, 4320, 10080}.');
      if (context.world.channels.has(message.id))
        throw new DiscordRefusal(400, 160004, 'A thread has already been created for this message');
      return startThread(context.world, channel, message, name, context.dispatch);
    },
  },
  {
    name: 'show typing',
    method: 'POST',
    path: /^\/channels\/(\d+)\/typing$/,
    fields: [],
    run(context, [id]) {
      requirePermission(context, visibleChannel(context, id), PERMISSIONS.send);
      return null;
    },
  },
  ...(['PUT', 'DELETE'] as const).map(
    (method): Route => ({
      name: method === 'PUT' ? 'create reaction' : 'delete reaction',
      method,
      path: /^\/channels\/(\d+)\/messages\/(\d+)\/reactions\/([^/]+)\/@me$/,
      fields: [],
      run(context, [channelId, messageId, encoded = '']) {
        const channel = visibleChannel(context, channelId);
        const message = messageIn(channel, messageId);
        const emoji = decodeURIComponent(encoded);
        // Discord knows a heart only as a picture.
        if (UNKNOWN_EMOJI.test(emoji) || emoji === '❤') throw new DiscordRefusal(400, 10014, 'Unknown Emoji');
        if (method === 'PUT')
          requirePermission(context, channel, PERMISSIONS.addReactions | PERMISSIONS.readHistory);
        const key = `${message.id} ${emoji} ${context.app.user.id}`;
        if (method === 'PUT') context.world.reactions.add(key);
        else context.world.reactions.delete(key);
        return null;
      },
    }),
  ),
];

function createMessage(context: RouteContext, channel: Channel, given: Given): Message {
  const { world, app, files } = context;
  if (channel.type === TYPES.forum || channel.type === TYPES.category)
    throw new DiscordRefusal(400, 50008, 'Cannot send messages in a non-text channel');
  requirePermission(
    context,
    channel,
    channel.type === TYPES.thread ? PERMISSIONS.sendInThreads : PERMISSIONS.send,
  );
  const { content, components, flags, pings } = checkMessage(given, files.size > 0, false);
  const reference = given.message_reference as { message_id: string } | undefined;
  if (
    reference !== undefined &&
    ((permissionsOf(world, app, channel) ?? 0n) & PERMISSIONS.readHistory) === 0n
  )
    throw new DiscordRefusal(403, 160002, 'Cannot reply without permission to read message history');
  if (given.enforce_nonce === true && typeof given.nonce === 'string') {
    const earlier = nonces(world).get(`${app.user.id} ${given.nonce}`);
    if (earlier !== undefined) {
      const standing = world.channels.get(earlier.channelId)?.messages.get(earlier.messageId);
      if (standing === undefined) throw new DiscordRefusal(404, 10008, 'Unknown Message');
      return standing;
    }
  }
  if (files.size > 0) requirePermission(context, channel, PERMISSIONS.attach);
  world.pings.push(...pings);
  const replied = reference === undefined ? null : (channel.messages.get(reference.message_id) ?? null);
  const message = makeMessage(world, channel, app.user, content, {
    components,
    flags,
    attachments: attachmentsOf(context, given.attachments),
    ...(replied !== null && {
      type: 19,
      message_reference: { type: 0, message_id: replied.id, channel_id: channel.id },
      referenced_message: replied,
    }),
    ...(typeof given.nonce === 'string' && { nonce: given.nonce }),
  });
  const key = `${app.user.id} ${String(given.nonce)}`;
  if (typeof given.nonce === 'string' && !nonces(world).has(key))
    nonces(world).set(key, { channelId: channel.id, messageId: message.id });
  context.dispatch(channel, 'MESSAGE_CREATE', message as unknown as Given);
  return message;
}

/** What was made with which nonce in the last minutes. */
const byWorld = new WeakMap<World, Map<string, { channelId: string; messageId: string }>>();
function nonces(world: World) {
  const known = byWorld.get(world) ?? new Map<string, { channelId: string; messageId: string }>();
  byWorld.set(world, known);
  return known;
}

function attachmentsOf({ world, files }: RouteContext, given: unknown): APIMessage['attachments'] {
  const described = (given ?? []) as readonly { id: number; filename?: string; description?: string }[];
  for (const { id } of described)
    if (!files.has(`files[${id}]`)) throw invalidForm('attachments', 'Invalid attachment id');
  return [...files].map(([field, { name, mediaType, content }]) => {
    if (content.length > MAX_FILE_BYTES) throw new DiscordRefusal(413, 40005, 'Request entity too large');
    const about = described.find(({ id }) => field === `files[${id}]`);
    if ((about?.description?.length ?? 0) > 1024)
      throw invalidForm('description', 'Must be 1024 or fewer in length.');
    return attachmentOf(world, about?.filename ?? name, content, mediaType, about?.description);
  });
}

/** A message of anybody, as it stands in a channel from then on. */
export function makeMessage(
  world: World,
  channel: Channel,
  author: APIUser,
  content: string,
  more: Partial<Message> = {},
): Message {
  const message: Message = {
    id: world.nextId(),
    channel_id: channel.id,
    type: 0,
    author,
    content,
    timestamp: new Date().toISOString(),
    edited_timestamp: null,
    tts: false,
    mention_everyone: /@(?:everyone|here)/.test(content),
    mentions: mentionedUsers(world, content),
    mention_roles: mentionedRoles(content),
    attachments: [],
    embeds: [],
    pinned: false,
    ...more,
  };
  channel.messages.set(message.id, message);
  return message;
}

export function startThread(
  world: World,
  channel: Channel,
  message: Message,
  name: string,
  dispatch: RouteContext['dispatch'],
): Given {
  const thread: Channel = {
    id: message.id,
    type: TYPES.thread,
    serverId: channel.serverId,
    parentId: channel.id,
    name,
    recipients: [],
    messages: new Map(),
    denied: new Map(),
  };
  world.channels.set(thread.id, thread);
  if (channel.type === TYPES.text) {
    const reference = { type: 0, message_id: message.id, channel_id: channel.id };
    makeMessage(world, thread, message.author, '', {
      type: 21,
      message_reference: reference,
      referenced_message: message,
    });
  }
  dispatch(thread, 'THREAD_CREATE', { ...wireChannel(thread), newly_created: true });
  // The message says from now on that it has a thread: an update that is no edit.
  message.flags = (message.flags ?? 0) | (1 << 5);
  dispatch(channel, 'MESSAGE_UPDATE', message as unknown as Given);
  return wireChannel(thread);
}

export function deletionOf(channel: Channel, id: string): Given {
  return { id, channel_id: channel.id, ...(channel.serverId !== null && { guild_id: channel.serverId }) };
}

function messageIn(channel: Channel, id: string | undefined): Message {
  const message = channel.messages.get(id ?? '');
  if (message === undefined) throw new DiscordRefusal(404, 10008, 'Unknown Message');
  return message;
}

function ownMessage({ app }: RouteContext, message: Message): Message {
  if (message.author.id !== app.user.id)
    throw new DiscordRefusal(403, 50005, 'Cannot edit a message authored by another user');
  return message;
}
