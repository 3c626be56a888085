import type { WireBody } from './wire-body.ts';

const user = { name: 'users/31', displayName: 'Mara', type: 'HUMAN', email: 'mara@acme.example' };
const space = {
  name: 'spaces/ACME',
  type: 'ROOM',
  spaceType: 'SPACE',
  singleUserBotDm: false,
  spaceThreadingState: 'THREADED_MESSAGES',
};
const eventTime = '2026-03-05T10:00:00.123456Z';
const file = {
  name: 'spaces/ACME/messages/T1.M1/attachments/A',
  contentName: 'plan.pdf',
  contentType: 'application/pdf',
  attachmentDataRef: { resourceName: 'abc' },
  driveDataRef: { driveFileId: 'd' },
};
const message = {
  name: 'spaces/ACME/messages/T1.M1',
  sender: user,
  createTime: eventTime,
  text: '@Ada hello @Tom',
  argumentText: ' hello',
  thread: { name: 'spaces/ACME/threads/T1' },
  space,
  annotations: [
    {
      type: 'USER_MENTION',
      startIndex: 0,
      length: 4,
      userMention: { user: { name: 'users/1', displayName: 'Ada', type: 'BOT' }, type: 'MENTION' },
    },
    {
      type: 'USER_MENTION',
      startIndex: 11,
      length: 4,
      userMention: { user: { name: 'users/32', displayName: 'Tom', type: 'HUMAN' }, type: 'MENTION' },
    },
  ],
  attachment: [file],
  attachments: [{ ...file, attachmentDataRef: null }],
  attachedGifs: [{ uri: 'https://media.example/a.gif' }],
  slashCommand: { commandId: '7' },
  quotedMessageMetadata: {
    name: 'spaces/ACME/messages/T1.M0',
    quotedMessageSnapshot: { sender: 'users/32', text: 'before', attachments: [file] },
  },
};
const parameters = [{ key: 'konstruct_choice', value: 'Yes' }];

export const googleChatBodies: readonly WireBody[] = [
  { kind: 'message', sample: { type: 'MESSAGE', eventTime, user, space, message } },
  {
    kind: 'direct message',
    sample: {
      type: 'MESSAGE',
      eventTime,
      user,
      space: { name: 'spaces/DM', type: 'DM', spaceType: 'DIRECT_MESSAGE' },
      message,
    },
  },
  {
    kind: 'press',
    sample: {
      type: 'CARD_CLICKED',
      eventTime,
      user,
      space,
      message,
      action: { actionMethodName: 'f', parameters },
    },
  },
  { kind: 'added', sample: { type: 'ADDED_TO_SPACE', eventTime, user, space, message } },
  { kind: 'removed', sample: { type: 'REMOVED_FROM_SPACE', eventTime, user, space } },
  { kind: 'add-on: message', sample: { chat: { user, eventTime, messagePayload: { space, message } } } },
  {
    kind: 'add-on: command',
    sample: {
      chat: {
        user,
        eventTime,
        appCommandPayload: {
          space,
          message,
          appCommandMetadata: { appCommandId: 7, appCommandType: 'SLASH_COMMAND' },
        },
      },
    },
  },
  {
    kind: 'add-on: press',
    sample: {
      commonEventObject: { parameters: { konstruct_choice: 'Yes' }, invokedFunction: 'f' },
      chat: { user, eventTime, buttonClickedPayload: { space, message } },
    },
  },
  { kind: 'add-on: added', sample: { chat: { user, eventTime, addedToSpacePayload: { space } } } },
  { kind: 'add-on: removed', sample: { chat: { user, eventTime, removedFromSpacePayload: { space } } } },
];
