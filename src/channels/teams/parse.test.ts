// One table of what Teams sends: split up, nobody would see what is missing in it.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../test/support/seeded-random.ts';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { choiceCard } from './choice-card.ts';
import { parseTeamsRequest } from './parse.ts';

const APP = '11111111-1111-4111-8111-111111111111';
const TENANT = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
const CHANNEL = '19:693ecdb923ac4458a5c23661b505fc84@thread.tacv2';
const CHAT =
  'a:17I0kl9EkpE1O9PH5TWrzrLNwnWWcfrU7QZjKR0WSfOpzbfcAg2IaydGElSo10tVr4C7Fc6GtieTJX663WuJCc1uA83n4CSrHSgGBj5XNYLcVlJAs2ZX8DbYBPck201w-';
const mara = { id: '29:1XJKJMvc5GBtc2JwZq0oj8tHZmzrQgFmB39ATiQWA85g', name: 'Mara K', aadObjectId: 'x' };
const ada = { id: `28:${APP}`, name: 'Ada' };
const mention = (mentioned: { id: string; name: string }) => ({
  type: 'mention',
  mentioned,
  text: `<at>${mentioned.name}</at>`,
});

/** As Teams documents its activities, in a personal chat. */
const personal = {
  type: 'message',
  id: '1485983408511',
  timestamp: '2017-02-01T21:10:07.437Z',
  localTimestamp: '2017-02-01T14:10:07.437-07:00',
  serviceUrl: 'https://smba.trafficmanager.net/amer/',
  channelId: 'msteams',
  from: mara,
  conversation: { conversationType: 'personal', id: CHAT },
  recipient: ada,
  textFormat: 'plain',
  text: 'Hello there',
  attachments: [{ contentType: 'text/html', content: '<div>Hello <strong>there</strong></div>' }],
  entities: [{ locale: 'en-US', country: 'US', platform: 'Windows', type: 'clientInfo' }],
  channelData: { tenant: { id: TENANT } },
  locale: 'en-US',
};
const inChannel = (messageId: string, rootId = messageId) => ({
  ...personal,
  id: messageId,
  conversation: { isGroup: true, conversationType: 'channel', id: `${CHANNEL};messageid=${rootId}` },
  channelData: { tenant: { id: TENANT }, team: { id: CHANNEL }, channel: { id: CHANNEL } },
});

function parse(activity: object): readonly ChannelEvent[] {
  const body = Buffer.from(JSON.stringify(activity));
  const parsed = parseTeamsRequest({ path: '/teams/messages', headers: {}, body });
  return parsed.kind === 'events' ? parsed.events : [];
}
const one = (activity: object): ChannelEvent | undefined => parse(activity)[0];

describe('a message', () => {
  it('says who wrote what, where and when', () => {
    expect(one(personal)).toEqual({
      type: 'message',
      account: { externalIds: [TENANT], appId: APP, agentUserId: ada.id },
      eventId: expect.stringMatching(/^[\w-]{32}$/),
      channelId: CHAT,
      messageId: '1485983408511',
      threadId: null,
      scope: 'direct',
      sender: { externalId: mara.id, name: 'Mara K' },
      text: 'Hello there',
      mentions: [],
      addressee: null,
      mentionsAgent: false,
      attachments: [],
      sentAtMs: Date.UTC(2017, 1, 1, 21, 10, 7, 437),
      channelMetadata: { language: 'en-US' },
    });
  });

  it('stands in a channel below the post that its conversation names, or is that post', () => {
    expect(one(inChannel('12', '7'))).toMatchObject({
      channelId: CHANNEL,
      messageId: '12',
      threadId: '7',
      scope: 'channel',
      channelMetadata: { teamId: CHANNEL },
    });
    expect(one(inChannel('7'))).toMatchObject({ messageId: '7', threadId: '7' });
  });

  it('of a group chat stands in its one thread', () => {
    const conversation = { isGroup: true, conversationType: 'groupChat', id: '19:x@thread.v2' };
    expect(one({ ...personal, conversation })).toMatchObject({ threadId: 'chat', scope: 'group' });
  });

  it.each([
    ['', 'channel', '19:x@thread.tacv2', true],
    ['', 'group', '19:x@thread.v2', true],
    ['', 'direct', 'a:1', undefined],
  ])(
    '%sfrom a Teams that leaves the type of a conversation out is known by its id: %s',
    (_, scope, id, isGroup) => {
      expect(one({ ...personal, conversation: { id, isGroup } })).toMatchObject({ scope });
    },
  );

  it('has its company from its conversation where the channel data are missing', () => {
    const conversation = { ...personal.conversation, tenantId: TENANT.toUpperCase() };
    expect(one({ ...personal, conversation, channelData: undefined })?.account.externalIds).toEqual([TENANT]);
    expect(one({ ...personal, channelData: undefined })?.account.externalIds).toEqual([]);
  });

  it.each([
    ['<at>Ada</at> hello', `@${ada.id} hello`],
    ['<at>Ada</at>hello', `@${ada.id} hello`],
    ['hello <at>Ada</at>, and\r\n<at>Mara K</at>', `hello @${ada.id}, and\n@${mara.id}`],
    ['ask <at id="1">Nobody</at>', 'ask Nobody'],
    ['1 &lt; 2&nbsp;&amp;&amp; &#39;x&#39;', "1 < 2 && 'x'"],
    ['&amp;lt;b>', '&lt;b>'],
  ])('reads %j as %j', (text, expected) => {
    expect(one({ ...personal, text, entities: [mention(ada), mention(mara)] })).toMatchObject({
      text: expected,
    });
  });

  const html = (content: string) => [{ contentType: 'text/html', content }];
  const reply = (body: string) =>
    `<blockquote itemscope itemtype="http://schema.skype.com/Reply" itemid="17"><strong itemprop="mri" itemid="8:orgid:x">Bo &amp; Co</strong><span itemprop="time" itemid="17"></span>${body}</blockquote>`;
  const preview =
    '<p itemprop="preview">The printer<br>is on &lt;fire&gt; <img itemtype="http://schema.skype.com/Emoji" alt="🔥"></p>';
  const quotedReply = {
    messageId: '17',
    senderId: '29:bo',
    senderName: 'Bo',
    preview: 'The printer is on fire',
  };
  const reference = (contentType: string, content: object, asJson = true) => ({
    contentType,
    id: '17',
    content: asJson ? JSON.stringify(content) : content,
  });
  const user = { user: { id: 'x', displayName: 'Bo' } };

  it.each([
    [
      'by an entity',
      {
        text: '<quoted messageId="17"/><at>Ada</at> help',
        entities: [mention(ada), { type: 'quotedReply', quotedReply }],
      },
      `> Bo: The printer is on fire\n\n@${ada.id} help`,
    ],
    [
      'by an entity and in HTML, once',
      {
        text: '<quoted messageId="17"/> help',
        attachments: html(`${reply(preview)}<p>help</p>`),
        entities: [{ type: 'quotedReply', quotedReply }],
      },
      '> Bo: The printer is on fire\n\nhelp',
    ],
    [
      'of which nothing is left',
      {
        text: '<quoted messageId="17"/>help',
        entities: [{ type: 'quotedReply', quotedReply: { messageId: '17', isReplyDeleted: true } }],
      },
      'help',
    ],
    [
      'in HTML only',
      { text: 'help', attachments: html(`${reply(preview)}<p>help</p>`) },
      '> Bo & Co: The printer\n> is on <fire> 🔥\n\nhelp',
    ],
    [
      'in HTML, whole before its beginning, and without what that quotes',
      {
        text: 'help',
        attachments: html(`${reply(`${reply(preview)}${preview}<p itemprop="copy">All</p>`)}<p>help</p>`),
      },
      '> Bo & Co: All\n\nhelp',
    ],
    [
      'in a text that is HTML itself',
      { text: `${reply(preview)}<p><at>Ada</at> help</p>`, attachments: [], entities: [mention(ada)] },
      `> Bo & Co: The printer\n> is on <fire> 🔥\n\n@${ada.id} help`,
    ],
    [
      'by a reference',
      {
        text: '<attachment id="17"></attachment>\nhelp',
        attachments: [
          reference('messageReference', { messageId: '17', messagePreview: 'On fire', messageSender: user }),
        ],
      },
      '> Bo: On fire\n\nhelp',
    ],
  ])('quotes what it replies to: %s', (_how, fields, text) => {
    expect(one({ ...personal, ...fields })).toMatchObject({ type: 'message', text });
    expect(one({ ...personal, ...fields, type: 'messageUpdate' })).toMatchObject({ type: 'edit', text });
  });

  const forward =
    '<blockquote itemtype="http://schema.skype.com/Forward"><p>Page <b>3</b> is wrong.</p><p>Who <at id="0">Mara K</at>?</p></blockquote>';
  it('quotes what it passes on, with words and without, and takes it for nobody’s own', () => {
    const text = '<at>Ada</at> make a ticket\r\n\r\nPage 3 is wrong.\r\nWho <at>Mara K</at>?';
    const mine =
      '<p><span itemtype="http://schema.skype.com/Mention" itemid="0">Ada</span> make a ticket</p>';
    const passed = '> Page 3 is wrong.\n> Who Mara K?';
    expect(
      one({ ...personal, text, attachments: html(mine + forward), entities: [mention(ada)] }),
    ).toMatchObject({
      text: `${passed}\n\n@${ada.id} make a ticket`,
      mentions: [{ externalId: ada.id }],
      addressee: ada.id,
    });
    const original = { originalMessageContent: '<p>Page 3 is wrong.</p>', originalMessageSender: user };
    for (const isJson of [true, false]) {
      const attachments = [
        ...html('<attachment id="17"></attachment>'),
        reference('forwardedMessageReference', original, isJson),
      ];
      expect(one({ ...personal, text: '', attachments })).toMatchObject({ text: '> Bo: Page 3 is wrong.' });
    }
  });

  it.each([
    [
      'as HTML only',
      {
        text: undefined,
        attachments: html(
          '<div><p>Hello&nbsp;<span itemtype="http://schema.skype.com/Mention" itemid="0">Ada</span></p>\n<ul><li>one</li><li>two &#128512;</li></ul><blockquote>so</blockquote><pre>a\n  b</pre><attachment id="1">x</attachment><script>no</script></div>',
        ),
        entities: [mention(ada)],
      },
      `Hello @${ada.id}\n- one\n- two 😀\n> so\na\n  b`,
    ],
    [
      'as a GIF',
      {
        text: '',
        attachments: html(
          '<p><img alt="Cat (GIF Image)" itemtype="http://schema.skype.com/Giphy" src="x"></p>',
        ),
      },
      '[GIF: Cat (GIF Image)]',
    ],
    [
      'with emoji',
      {
        text: 'fine <emoji id="smile" alt="🙂" title="Smile"></emoji> <img itemscope itemtype="http://schema.skype.com/Emoji" alt="👍">',
      },
      'fine 🙂 👍',
    ],
    [
      'about HTML',
      { text: 'use <blockquote> or <img src="x"> &lt;b&gt;' },
      'use <blockquote> or <img src="x"> <b>',
    ],
    [
      'on a card',
      {
        text: 'look',
        attachments: [
          {
            contentType: 'application/vnd.microsoft.card.adaptive',
            content: {
              body: [
                { type: 'TextBlock', text: 'Invoice 7' },
                { type: 'ColumnSet', columns: [{ items: [{ text: '12 €' }] }] },
                { type: 'FactSet', facts: [{ title: 'Due', value: 'today' }] },
              ],
            },
          },
        ],
      },
      'look\n\n[card: Invoice 7 / 12 € / Due / today]',
    ],
    [
      'with what cannot be shown',
      {
        text: '',
        attachments: [
          { contentType: 'application/vnd.microsoft.card.fluidEmbedCard', content: {} },
          { contentType: 'meetingReference', name: 'Stand-up' },
        ],
      },
      '[attached, and cannot be shown to you: card, Stand-up]',
    ],
  ])('%s is read', (_what, fields, text) => {
    expect(one({ ...personal, ...fields })).toMatchObject({ type: 'message', text });
  });

  it('that is a clip brings it along', () => {
    const contentUrl = 'https://smba.trafficmanager.net/amer/v3/attachments/2/views/original';
    expect(
      one({ ...personal, text: '', attachments: [{ contentType: 'video/mp4', contentUrl }] }),
    ).toMatchObject({
      text: '',
      attachments: [{ name: 'clip.mp4', mediaType: 'video/mp4', externalId: `picture ${contentUrl}` }],
    });
  });

  it('of a shape that nobody would send is bounded and can be stored (3,000 of them)', () => {
    const random = seededRandom(37);
    const pieces = [
      ...[
        '<blockquote',
        ' itemtype="http://schema.skype.com/Reply"',
        ' itemtype="http://schema.skype.com/Forward"',
        '>',
        '</blockquote>',
      ],
      ...[
        '<p itemprop="preview">',
        '<strong itemprop="mri">',
        '</p>',
        '</strong>',
        '<at>',
        '</at>',
        '<span itemtype="http://schema.skype.com/Mention">',
        '</span>',
      ],
      ...[
        '<',
        '"',
        "'",
        '&#0;',
        '&#xd800;',
        '&lt;',
        '\u0000',
        '\ud800',
        'word',
        '\n',
        '<pre>',
        '<!--',
        '<attachment id="1">',
        '<img alt="',
        '<li>',
        '<br/>',
        '<quoted messageId="1"/>',
      ],
    ];
    const strange = [null, [], 7, 'x', {}, [[[]]]];
    const some = (): unknown => {
      if (random() < 0.1) return strange[Math.floor(random() * strange.length)];
      return Array.from(
        { length: Math.floor(random() * 60) },
        () => pieces[Math.floor(random() * pieces.length)],
      ).join('');
    };
    let deep: object = { text: 'end' };
    for (let depth = 0; depth < 500; depth += 1)
      deep = { body: [deep, { text: 'v' }], text: 'w'.repeat(200) };
    for (let round = 0; round < 3_000; round += 1) {
      const content = () => ({
        messagePreview: some(),
        messageSender: some(),
        originalMessageContent: some(),
        originalMessageSender: { user: some() },
      });
      const attachments = [
        { contentType: 'text/html', content: some() },
        { contentType: 'messageReference', content: random() < 0.5 ? content() : JSON.stringify(content()) },
        { contentType: 'forwardedMessageReference', content: random() < 0.5 ? some() : content() },
        { contentType: 'application/vnd.microsoft.card.hero', content: random() < 0.01 ? deep : some() },
      ];
      const entities = [
        mention(ada),
        { type: 'quotedReply', quotedReply: { preview: some(), senderName: some() } },
      ];
      const [event] = parse({ ...personal, text: some(), attachments, entities });
      const stored = JSON.stringify(event);
      expect(stored.isWellFormed() && !/\\u0000|\\ud800/.test(stored), stored).toBe(true);
      expect(stored.length).toBeLessThan(30_000);
    }
    const started = process.cpuUsage(); // not by the clock: other tests want the cores too
    for (const unit of ['<a "', '<pre> ', '<blockquote>', '<a', '<p><', '&#', '<img alt="'])
      one({ ...personal, text: '', attachments: html(unit.repeat(30_000)) });
    expect(process.cpuUsage(started).user / 1_000).toBeLessThan(3_000);
  });

  it('says whom it mentions, each once, and whom it begins with', () => {
    const text = ' <at>Mara K</at> and <at>Ada</at> and <at>Ada</at>';
    const entities = [mention(ada), mention(ada), mention(mara)];
    expect(one({ ...personal, text, entities })).toMatchObject({
      mentions: [
        { externalId: mara.id, name: 'Mara K' },
        { externalId: ada.id, name: 'Ada' },
      ],
      addressee: mara.id,
    });
  });

  it('carries files, pictures and references, and neither its own HTML nor cards', () => {
    const attachments = [
      ...html('<div><attachment id="1"></attachment></div>'),
      {
        contentType: 'application/vnd.microsoft.teams.file.download.info',
        contentUrl: 'https://contoso.sharepoint.com/personal/x/file_example.txt',
        name: 'file_example.txt',
        content: {
          downloadUrl: 'https://contoso.sharepoint.com/d?tempauth=1',
          uniqueId: 'u',
          fileType: 'txt',
        },
      },
      {
        contentType: 'image/*',
        contentUrl: 'https://smba.trafficmanager.net/amer/v3/attachments/1/views/original',
      },
      {
        contentType: 'reference',
        contentUrl: 'https://contoso.sharepoint.com/sites/x/plan.xlsx',
        name: 'plan.xlsx',
      },
      { contentType: 'application/vnd.microsoft.card.adaptive', content: {} },
      { contentType: 'image/png', contentUrl: 'not an address' },
    ];
    const event = one({ ...personal, text: undefined, attachments });
    expect(event).toMatchObject({ type: 'message', text: '' });
    expect(event?.type === 'message' && event.attachments).toEqual([
      {
        name: 'file_example.txt',
        mediaType: 'text/plain',
        sizeBytes: null,
        externalId: 'download https://contoso.sharepoint.com/d?tempauth=1',
      },
      {
        name: 'picture.png',
        mediaType: 'image/png',
        sizeBytes: null,
        externalId: 'picture https://smba.trafficmanager.net/amer/v3/attachments/1/views/original',
      },
      {
        name: 'plan.xlsx',
        mediaType: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
        sizeBytes: null,
        externalId: 'reference https://contoso.sharepoint.com/sites/x/plan.xlsx',
      },
    ]);
  });

  it.each([
    ['from a bot', { from: { id: '28:other', name: 'Bot' } }, 'message:bot'],
    ['from nobody', { from: undefined }, 'message:sender_missing'],
    ['that says nothing', { text: ' ', attachments: html('<p>&nbsp;</p>') }, 'message:empty'],
    ['without an id', { id: undefined }, 'message:incomplete'],
    ['without a conversation', { conversation: {} }, 'message:incomplete'],
    ['that is another kind of activity', { type: 'invoke', name: 'task/fetch' }, 'activity:invoke'],
  ])('%s is ignored', (_what, fields, reason) => {
    expect(one({ ...personal, ...fields })).toMatchObject({ type: 'ignored', reason });
  });

  it('has the same event when it is sent again, and another in another conversation', () => {
    const id = one(personal)?.eventId;
    expect(one(structuredClone(personal))?.eventId).toBe(id);
    const conversation = { conversationType: 'personal', id: 'a:other' };
    expect(one({ ...personal, conversation })?.eventId).not.toBe(id);
    expect(one({ ...personal, type: 'messageUpdate' })?.eventId).not.toBe(id);
  });
});

describe('a button of ours', () => {
  const [button] = (choiceCard('Which?', ['The red one']).content as { actions: [{ data: object }] }).actions;
  const { msteams, ...value } = button.data as { msteams: { text: string } };

  it.each([
    ['as an object', value],
    ['as a text', JSON.stringify(value)],
  ])('is pressed: its value comes %s', (_what, pressed) => {
    const activity = { ...inChannel('12', '7'), text: msteams.text, value: pressed, replyToId: '9' };
    expect(one(activity)).toMatchObject({
      type: 'action',
      channelId: CHANNEL,
      messageId: '9',
      threadId: '7',
      actionId: '12',
      choice: 'The red one',
      sender: { externalId: mara.id },
    });
  });

  it('is not what another card sends', () => {
    expect(one({ ...personal, value: { choice: 'x' }, replyToId: '9' })).toMatchObject({ type: 'message' });
  });
});

describe('what becomes of a message', () => {
  it('is told as an edit, also when it is brought back', () => {
    for (const eventType of ['editMessage', 'undeleteMessage']) {
      const channelData = { eventType, tenant: { id: TENANT } };
      expect(one({ ...inChannel('12', '7'), type: 'messageUpdate', text: 'new', channelData })).toMatchObject(
        {
          type: 'edit',
          messageId: '12',
          threadId: '7',
          text: 'new',
        },
      );
    }
  });

  it('is told as a deletion', () => {
    const channelData = { eventType: 'softDeleteMessage', tenant: { id: TENANT } };
    expect(one({ ...personal, type: 'messageDelete', channelData })).toMatchObject({
      type: 'deletion',
      channelId: CHAT,
      messageId: '1485983408511',
    });
  });

  it.each([
    ['like', '👍'],
    ['heart', '❤️'],
    ['1f6d1_stopsign', '🛑'],
    ['1f44e-1f3fd_thumbsdown', '👎'],
    ['1f507_mutedspeaker', '🔇'],
  ])('the reaction %s is %s', (type, emoji) => {
    const reaction = { ...personal, type: 'messageReaction', replyToId: '9', text: undefined };
    expect(parse({ ...reaction, reactionsAdded: [{ type }] })).toMatchObject([
      { type: 'reaction', messageId: '9', senderId: mara.id, emoji, present: true },
    ]);
    expect(parse({ ...reaction, reactionsRemoved: [{ type }] })).toMatchObject([{ emoji, present: false }]);
  });

  it('a reaction of the company’s own is ignored', () => {
    for (const type of ['party-parrot', '110000_x', 'd800_x', 7]) {
      const reaction = { ...personal, type: 'messageReaction', replyToId: '9', reactionsAdded: [{ type }] };
      expect(parse(reaction)).toMatchObject([{ type: 'ignored' }]);
    }
  });
});

describe('the bot', () => {
  it.each([
    ['is removed', { type: 'conversationUpdate', membersRemoved: [ada] }, 'removed'],
    ['is uninstalled', { type: 'installationUpdate', action: 'remove' }, 'uninstalled'],
  ])('%s: it has departed', (_what, fields, reason) => {
    expect(one({ ...inChannel('7'), ...fields })).toMatchObject({
      type: 'departure',
      channelId: CHANNEL,
      reason,
    });
  });

  it('has departed from a channel that was deleted, which is told in the team’s first one', () => {
    const channelData = { eventType: 'channelDeleted', tenant: { id: TENANT }, channel: { id: '19:gone' } };
    expect(one({ ...inChannel('7'), type: 'conversationUpdate', channelData })).toMatchObject({
      type: 'departure',
      channelId: '19:gone',
    });
  });

  it.each([
    [{ type: 'conversationUpdate', membersAdded: [ada] }],
    [{ type: 'conversationUpdate', membersRemoved: [mara] }],
    [{ type: 'installationUpdate', action: 'add' }],
  ])('stays with %j', (fields) => {
    expect(one({ ...personal, ...fields })).toMatchObject({ type: 'ignored' });
  });
});
