import type { ActionEvent, ChannelEvent, CommandEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { choiceOf } from './components.ts';
import {
  answerAt,
  asSnowflake,
  authorOf,
  directPlace,
  nameOf,
  type Place,
  placeOf,
  snowflakeMs,
} from './ids.ts';
import { normaliseText } from './normalise-text.ts';

/** Source: https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object-interaction-type */
export const INTERACTIONS = { ping: 1, command: 2, component: 3 } as const;
/** The command that is registered at Discord. */
export const COMMAND = { name: 'ask', option: 'question' } as const;
const CONTEXT_BOT_DIRECT = 1;
const BUTTON = 2;
/** They are as long as a Discord token and more. */
const MAX_TOKEN_CHARACTERS = 400;

type Base = Pick<IgnoredEvent, 'account' | 'eventId'>;

/** Something that somebody did with a button or a command. It names the app, and so the connection, that it is for. */
export function parseInteraction(interaction: JsonRecord): ChannelEvent {
  const applicationId = asSnowflake(interaction.application_id);
  const base: Base = {
    account: {
      externalIds: applicationId === null ? [] : [applicationId],
      appId: applicationId,
      agentUserId: null,
    },
    eventId: null,
  };
  const ignored = (reason: string): IgnoredEvent => ({ ...base, type: 'ignored', reason });
  if (applicationId === null) return ignored('application_missing');
  const shared = readShared(interaction);
  switch (interaction.type) {
    case INTERACTIONS.command:
      return shared === null ? ignored('command_incomplete') : parseCommand(interaction, shared, base);
    case INTERACTIONS.component:
      return shared === null ? ignored('press_incomplete') : parsePress(interaction, shared, base);
    default:
      return ignored(`interaction:${typeof interaction.type === 'number' ? interaction.type : 'unknown'}`);
  }
}

interface Shared {
  readonly id: string;
  readonly token: string;
  readonly place: Place;
  readonly sender: { readonly externalId: string; readonly name: string | null };
}

function readShared(interaction: JsonRecord): Shared | null {
  const id = asSnowflake(interaction.id);
  const token = asId(interaction.token, MAX_TOKEN_CHARACTERS);
  const member = asRecord(interaction.member);
  const user = asRecord(member?.user) ?? asRecord(interaction.user);
  const senderId = asSnowflake(user?.id);
  const place = placeOfInteraction(interaction);
  if (id === null || token === null || senderId === null || place === null) return null;
  return { id, token, place, sender: { externalId: senderId, name: nameOf(user, member) } };
}

function placeOfInteraction(interaction: JsonRecord): Place | null {
  const known = placeOf(asRecord(interaction.channel));
  if (known !== null) return known;
  const channelId = asSnowflake(interaction.channel_id);
  return interaction.context === CONTEXT_BOT_DIRECT && channelId !== null ? directPlace(channelId) : null;
}

function parseCommand(interaction: JsonRecord, shared: Shared, base: Base): CommandEvent | IgnoredEvent {
  const data = asRecord(interaction.data);
  if (data?.name !== COMMAND.name) return { ...base, type: 'ignored', reason: 'command_unknown' };
  const option = asRecords(data.options).find(({ name }) => name === COMMAND.option);
  const users = Object.values(asRecord(asRecord(data.resolved)?.users) ?? {});
  const { text, mentions } = normaliseText({ content: asText(option?.value), mentions: users });
  const { place } = shared;
  return {
    ...base,
    type: 'command',
    channelId: place.channelId,
    scope: place.scope,
    commandId: shared.id,
    sender: shared.sender,
    text,
    mentions,
    reply: {
      id: shared.id,
      token: shared.token,
      threadId: place.threadId,
      beginsThreads: place.beginsThreads,
      permissions: asText(interaction.app_permissions),
    },
  };
}

function parsePress(interaction: JsonRecord, shared: Shared, base: Base): ActionEvent | IgnoredEvent {
  const message = asRecord(interaction.message);
  const messageId = asSnowflake(message?.id);
  const data = asRecord(interaction.data);
  if (message === null || messageId === null || data?.component_type !== BUTTON)
    return { ...base, type: 'ignored', reason: 'press_incomplete' };
  const choice = choiceOf(data.custom_id, message);
  if (choice === '') return { ...base, type: 'ignored', reason: 'press_unknown' };
  const { place } = shared;
  const isReply = place.scope === 'channel' && place.threadId === null;
  return {
    ...base,
    type: 'action',
    channelId: place.channelId,
    messageId,
    threadId: place.threadId,
    // Where no thread could begin, what is pressed belongs to the conversation of the message with the buttons.
    ...(isReply && {
      chain: {
        repliesTo: { messageId, senderId: asSnowflake(authorOf(message)?.id) },
        answerAt: answerAt(messageId, false),
        isPart: false,
      },
    }),
    scope: place.scope,
    actionId: shared.id,
    sender: shared.sender,
    choice,
    pressedAtMs: snowflakeMs(shared.id),
    reply: {},
  };
}
