import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { choiceCard } from './choice-card.ts';
import { parseGoogleChatRequest } from './parse.ts';

const PROJECT = '111111111111';
const mara = { name: 'users/31', displayName: 'Mara K', type: 'HUMAN', email: 'mara@acme.example' };
const ada = { name: 'users/9001', displayName: 'Ada', type: 'BOT' };
const gus = { name: 'users/9002', displayName: 'Gus', type: 'BOT' };
const space = {
  name: 'spaces/AAAAMpdlehY',
  type: 'ROOM',
  spaceType: 'SPACE',
  spaceThreadingState: 'THREADED_MESSAGES',
  displayName: 'Support',
};
const mention = (user: object, startIndex: number, length: number) => ({
  type: 'USER_MENTION',
  startIndex,
  length,
  userMention: { user, type: 'MENTION' },
});

/** As Google documents a message in a space. */
const message = {
  name: 'spaces/AAAAMpdlehY/messages/UMxbHmzDlr4.UMxbHmzDlr4',
  sender: mara,
  createTime: '2026-03-02T11:22:33.123456Z',
  text: '@Ada hello there',
  argumentText: ' hello there',
  thread: { name: 'spaces/AAAAMpdlehY/threads/UMxbHmzDlr4' },
  annotations: [mention(ada, 0, 4)],
  space,
};
const classic = { type: 'MESSAGE', eventTime: '2026-03-02T11:22:33.200Z', user: mara, space, message };
const addOn = {
  commonEventObject: { userLocale: 'en', hostApp: 'CHAT', platform: 'WEB' },
  authorizationEventObject: { systemIdToken: 'x' },
  chat: { user: mara, eventTime: '2026-03-02T11:22:33.200Z', messagePayload: { space, message } },
};

function parse(event: object, claims: object | null = { aud: PROJECT }): readonly ChannelEvent[] {
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
  const headers = claims === null ? {} : { authorization: `Bearer e30.${payload}.x` };
  const parsed = parseGoogleChatRequest({
    path: '/google-chat',
    headers,
    body: Buffer.from(JSON.stringify(event)),
  });
  expect(parsed).toMatchObject({ kind: 'events', answer: { body: '{}' } });
  return parsed.kind === 'events' ? parsed.events : [];
}
const one = (event: object): ChannelEvent | undefined => parse(event)[0];
const said = (fields: object) => one({ ...classic, message: { ...message, ...fields } });

describe('a message', () => {
  it.each([
    ['as Chat sends it', classic],
    ['as it is sent to a Workspace add-on', addOn],
  ])('%s says who wrote what, where and when', (_what, event) => {
    expect(one(event)).toEqual({
      type: 'message',
      account: { externalIds: [PROJECT], appId: PROJECT, agentUserId: ada.name },
      eventId: expect.stringMatching(/^[\w-]{32}$/),
      channelId: 'spaces/AAAAMpdlehY',
      messageId: 'UMxbHmzDlr4.UMxbHmzDlr4',
      threadId: 'UMxbHmzDlr4',
      scope: 'channel',
      sender: { externalId: mara.name, name: 'Mara K' },
      text: `@${ada.name} hello there`,
      mentions: [{ externalId: ada.name, name: 'Ada' }],
      addressee: null,
      mentionsAgent: true,
      attachments: [],
      sentAtMs: Date.UTC(2026, 2, 2, 11, 22, 33, 123),
      channelMetadata: {},
    });
  });

  it.each([
    [{ aud: PROJECT }, [PROJECT]],
    [
      {
        aud: 'https://konstruct.example.com/google-chat/c',
        email: `service-${PROJECT}@gcp-sa-gsuiteaddons.iam.gserviceaccount.com`,
      },
      [PROJECT],
    ],
    [{ aud: 'https://konstruct.example.com/google-chat/c', email: 'chat@system.gserviceaccount.com' }, []],
    [{ aud: ['x'] }, []],
    [null, []],
  ])('is for the project that the token %j names', (claims, externalIds) => {
    expect(parse(classic, claims)[0]?.account.externalIds).toEqual(externalIds);
  });

  it.each([
    ['a direct message', { ...space, spaceType: 'DIRECT_MESSAGE' }, 'direct', null],
    ['a direct message of old', { name: space.name, type: 'DM' }, 'direct', null],
    [
      'a group chat',
      { ...space, spaceType: 'GROUP_CHAT', spaceThreadingState: 'UNTHREADED_MESSAGES' },
      'group',
      'chat',
    ],
    ['a space without threads', { ...space, spaceThreadingState: 'UNTHREADED_MESSAGES' }, 'channel', 'chat'],
  ])('in %s is part of the whole', (_what, where, scope, threadId) => {
    expect(one({ ...classic, space: where })).toMatchObject({ scope, threadId });
  });

  it.each([
    [
      'two apps',
      '@Ada @Gus hi',
      [mention(ada, 0, 4), mention(gus, 5, 4)],
      `@${ada.name} @${gus.name} hi`,
      null,
    ],
    [
      'one app and a person',
      '@Mara ask @Ada',
      [mention(mara, 0, 5), mention(ada, 10, 4)],
      `@${mara.name} ask @${ada.name}`,
      ada.name,
    ],
    ['an app behind an emoji', '😀 @Ada', [mention(ada, 3, 4)], `😀 @${ada.name}`, ada.name],
    ['an app that a word follows', '@Adaly', [mention(ada, 0, 4)], `@${ada.name} ly`, ada.name],
  ])(
    'that mentions %s names the app if there is one only',
    (_what, text, annotations, expected, agentUserId) => {
      expect(said({ text, annotations })).toMatchObject({ text: expected, account: { agentUserId } });
    },
  );

  it('that begins with a person is addressed to them', () => {
    const annotations = [mention(mara, 0, 5), mention(ada, 10, 4)];
    expect(said({ text: '@Mara ask @Ada', annotations })).toMatchObject({ addressee: mara.name });
  });

  it.each([
    [[mention(ada, -1, 4)]],
    [[mention(ada, 0, 400)]],
    [[mention(ada, 1.5, 2)]],
    [[{ type: 'USER_MENTION' }]],
    ['x'],
  ])('with annotations that fit nowhere (%j) is read as it stands', (annotations) => {
    expect(said({ annotations })).toMatchObject({ text: '@Ada hello there', mentions: [] });
  });

  it('that is a command says so, also where commands come as events of their own', () => {
    const slashCommand = { commandId: '7' };
    const command = { ...message, text: '/ask why', annotations: [], slashCommand };
    const expected = { type: 'message', text: '/ask why', channelMetadata: { commandId: '7' } };
    expect(one({ ...classic, message: command })).toMatchObject(expected);
    const chat = { user: mara, appCommandPayload: { space, message: command } };
    expect(one({ commonEventObject: {}, chat })).toMatchObject(expected);
  });

  it('that added the app is one, and the adding alone is none', () => {
    expect(one({ ...classic, type: 'ADDED_TO_SPACE' })).toMatchObject({ type: 'message' });
    expect(one({ ...classic, type: 'ADDED_TO_SPACE', message: undefined })).toMatchObject({
      type: 'ignored',
    });
  });

  it('carries what was uploaded, and names what lies in Drive', () => {
    const attachment = [
      {
        name: 'spaces/AAAAMpdlehY/messages/x/attachments/y',
        contentName: 'plan.pdf',
        contentType: 'application/pdf',
        attachmentDataRef: { resourceName: 'ClxzcGFjZXMvQUFB=' },
        source: 'UPLOADED_CONTENT',
      },
      { contentName: 'Plan', driveDataRef: { driveFileId: 'd1' }, source: 'DRIVE_FILE' },
      { contentName: 'nothing' },
    ];
    const event = said({ text: undefined, annotations: [], attachment });
    expect(event?.type === 'message' && event.attachments).toEqual([
      {
        name: 'plan.pdf',
        mediaType: 'application/pdf',
        sizeBytes: null,
        externalId: 'media ClxzcGFjZXMvQUFB=',
      },
      { name: 'Plan', mediaType: 'application/octet-stream', sizeBytes: null, externalId: 'drive d1' },
    ]);
  });

  const uploaded = {
    contentName: 'plan.pdf',
    contentType: 'application/pdf',
    attachmentDataRef: { resourceName: 'ClxzcGFjZXM=' },
  };
  const quoting = (snapshot: object, quoteType = 'REPLY') => ({
    quotedMessageMetadata: {
      name: 'spaces/AAAAMpdlehY/messages/x.y',
      lastUpdateTime: '2026-03-02T11:20:00Z',
      quoteType,
      quotedMessageSnapshot: snapshot,
    },
  });

  it('quotes what it replies to, and calls nobody who is called in that', () => {
    const snapshot = { sender: 'Bo Berg', text: '@Gus the printer\nis on fire' };
    expect(said(quoting(snapshot))).toMatchObject({
      text: `> Bo Berg: @Gus the printer\n> is on fire\n\n@${ada.name} hello there`,
      mentions: [{ externalId: ada.name }],
      addressee: null,
    });
    expect(said(quoting({ sender: 'users/32', text: 'x'.repeat(5_000) }))).toMatchObject({
      text: `> ${'x'.repeat(1_000)}…\n\n@${ada.name} hello there`,
    });
    for (const nothing of [null, [], 7, { sender: 'Bo' }, { text: { x: 1 } }])
      expect(said(quoting(nothing as object))).toMatchObject({ text: `@${ada.name} hello there` });
  });

  it('that passes something on without a word is one, with the files of that', () => {
    const empty = { text: undefined, argumentText: undefined, annotations: [] };
    const snapshot = { sender: 'Bo', text: 'The plan', formattedText: '*The plan*', attachments: [uploaded] };
    expect(said({ ...empty, ...quoting(snapshot, 'FORWARD') })).toMatchObject({
      type: 'message',
      text: '> Bo: The plan\n> [attached: plan.pdf]',
      attachments: [{ name: 'plan.pdf', externalId: 'media ClxzcGFjZXM=' }],
    });
    const many = { sender: 'Bo', text: '', attachments: Array.from({ length: 30 }, () => uploaded) };
    const event = said({ ...empty, attachment: [uploaded], ...quoting(many, 'FORWARD') });
    expect(event?.type === 'message' && event.attachments).toHaveLength(11);
  });

  it('that is a GIF says so', () => {
    const gif = {
      text: undefined,
      annotations: [],
      attachedGifs: [{ uri: 'https://media.tenor.com/cat.gif' }],
    };
    expect(said(gif)).toMatchObject({ type: 'message', text: '[GIF: https://media.tenor.com/cat.gif]' });
    const strange = ['javascript:x', 'no address', null, `https://x.example/${'y'.repeat(900)}`];
    expect(said({ ...gif, attachedGifs: strange.map((uri) => ({ uri })) })).toMatchObject({
      text: Array.from({ length: 4 }, () => '[GIF: without an address]').join(' '),
    });
  });

  it('of a shape that nobody would send is bounded and can be stored (3,000 of them)', () => {
    const random = seededRandom(43);
    const strange = [null, true, -1, 1e300, '', '\u0000', '\ud800', [], {}, [null], { a: [] }];
    const spoilt = (value: unknown): unknown => {
      if (random() < 0.1) return strange[Math.floor(random() * strange.length)];
      if (Array.isArray(value)) return value.map(spoilt);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, spoilt(item)]));
    };
    const deep = {
      sender: 'a\n> b',
      text: 'x'.repeat(900),
      attachments: [uploaded],
      ...quoting({ text: 'y' }),
    };
    const rich = { ...quoting(deep, 'FORWARD'), attachedGifs: [{ uri: 'https://x.example/a' }] };
    for (let round = 0; round < 3_000; round += 1) {
      const event = said(spoilt(rich) as object);
      const stored = JSON.stringify(event);
      expect(stored.isWellFormed() && !/\\u0000|\\ud800/.test(stored), stored).toBe(true);
      expect(stored.length).toBeLessThan(5_000);
    }
  });

  it.each([
    ['from another app', { sender: gus }, 'message:bot'],
    ['from nobody', { sender: undefined }, 'message:incomplete'],
    ['without a name', { name: 'x' }, 'message:incomplete'],
    ['that says nothing', { text: ' ', annotations: [] }, 'message:empty'],
  ])('%s is ignored', (_what, fields, reason) => {
    expect(said(fields)).toMatchObject({ type: 'ignored', reason });
  });

  it('has the same event when it is sent again, and another one is another', () => {
    const id = one(classic)?.eventId;
    expect(one(structuredClone(classic))?.eventId).toBe(id);
    expect(one({ ...classic, eventTime: '2026-03-02T11:22:33.300Z' })?.eventId).not.toBe(id);
    expect(said({ name: 'spaces/AAAAMpdlehY/messages/UMxbHmzDlr4.other' })?.eventId).not.toBe(id);
  });
});

describe('a press of a button', () => {
  const [button] = JSON.stringify(choiceCard(['The red one'], 'choose')).match(/\{"key.*?\}/) ?? [];
  const { key, value } = JSON.parse(button ?? '{}') as { key: string; value: string };
  const parameters = { [key]: value };
  const clicked = { ...classic, type: 'CARD_CLICKED', user: mara };
  const payload = { space, message };

  it.each([
    ['in a list', { ...clicked, action: { actionMethodName: 'choose', parameters: [{ key, value }] } }],
    ['beside it', { ...clicked, common: { invokedFunction: 'choose', parameters } }],
    [
      'of a Workspace add-on',
      {
        commonEventObject: { parameters },
        chat: { user: mara, eventTime: 'x', buttonClickedPayload: payload },
      },
    ],
  ])('has its choice %s', (_what, event) => {
    expect(one(event)).toMatchObject({
      type: 'action',
      channelId: space.name,
      messageId: 'UMxbHmzDlr4.UMxbHmzDlr4',
      threadId: 'UMxbHmzDlr4',
      choice: 'The red one',
      sender: { externalId: mara.name, name: 'Mara K' },
    });
  });

  it('is another one when somebody else presses, and the same when it is sent again', () => {
    const event = { ...clicked, common: { parameters } };
    const idOf = (given: object) => {
      const action = one(given);
      return action?.type === 'action' ? action.actionId : null;
    };
    expect(idOf(structuredClone(event))).toBe(idOf(event));
    expect(idOf({ ...event, user: { ...mara, name: 'users/32' } })).not.toBe(idOf(event));
  });

  it('of another card is ignored', () => {
    expect(one({ ...clicked, common: { parameters: { other: 'x' } } })).toMatchObject({ type: 'ignored' });
  });
});

it('the app has departed when it is removed', () => {
  const departed = { type: 'departure', channelId: space.name, reason: 'removed' };
  expect(one({ type: 'REMOVED_FROM_SPACE', user: mara, space })).toMatchObject(departed);
  const chat = { user: mara, removedFromSpacePayload: { space } };
  expect(one({ commonEventObject: {}, chat })).toMatchObject(departed);
});

it.each([
  [{ type: 'WIDGET_UPDATED', space }, 'event:WIDGET_UPDATED'],
  [{ type: 'MESSAGE', message }, 'MESSAGE:space_missing'],
  [{ chat: { widgetUpdatedPayload: { space } } }, ':space_missing'],
])('what it does not know (%j) is ignored', (event, reason) => {
  expect(one(event)).toMatchObject({ type: 'ignored', reason });
});
