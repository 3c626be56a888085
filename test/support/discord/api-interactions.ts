import type { Given, Route } from './api-context.ts';
import { makeMessage } from './api-messages.ts';
import { checkMessage } from './check-message.ts';
import { DiscordRefusal, invalidForm } from './discord-world.ts';

const TYPES = { message: 4, deferredUpdate: 6 } as const;
const EPHEMERAL = 1 << 6;

export const interactionAnswer: Route = {
  name: 'answer interaction',
  method: 'POST',
  path: /^\/interactions\/(\d+)\/([^/]+)\/callback$/,
  fields: ['type', 'data'],
  isAnonymous: true,
  run({ world, query, dispatch }, [id = '', token = ''], { type, data }) {
    const open = world.interactions.get(token);
    if (open === undefined || open.id !== id) throw new DiscordRefusal(404, 10062, 'Unknown interaction');
    if (open.answered !== null)
      throw new DiscordRefusal(400, 40060, 'Interaction has already been acknowledged.');
    const app = world.apps.find((each) => each.id === open.appId);
    const channel = world.channels.get(open.channelId);
    if (app === undefined || channel === undefined)
      throw new DiscordRefusal(404, 10062, 'Unknown interaction');
    if (type === TYPES.deferredUpdate) {
      if (open.messageId === null) throw invalidForm('type', 'Only for components');
      open.answered = TYPES.deferredUpdate;
      return null;
    }
    if (type !== TYPES.message) throw invalidForm('type', 'Value must be one of {4, 6}.');
    const { content, flags, pings } = checkMessage((data ?? {}) as Given, false, false);
    world.pings.push(...pings);
    open.answered = TYPES.message;
    open.isPrivate = (flags & EPHEMERAL) !== 0;
    const message = makeMessage(world, channel, app.user, content, { type: 20, application_id: app.id });
    open.responseId = message.id;
    if (open.isPrivate) {
      channel.messages.delete(message.id);
      world.whispers.push(content);
    } else dispatch(channel, 'MESSAGE_CREATE', message as unknown as Given);
    if (query.get('with_response') !== 'true') return null;
    return {
      interaction: { id, type: 2, response_message_id: message.id, response_message_loading: false },
      resource: { type: TYPES.message, message },
    };
  },
};

export const originalAnswer: Route = {
  name: 'get answer',
  method: 'GET',
  path: /^\/webhooks\/(\d+)\/([^/]+)\/messages\/@original$/,
  fields: [],
  isAnonymous: true,
  run({ world }, [appId, token = '']) {
    const open = world.interactions.get(token);
    const message = world.channels.get(open?.channelId ?? '')?.messages.get(open?.responseId ?? '');
    if (open?.appId !== appId || message === undefined)
      throw new DiscordRefusal(404, 10008, 'Unknown Message');
    return message;
  },
};
