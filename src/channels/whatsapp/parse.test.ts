import { describe, expect, it } from 'vitest';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { parseWhatsAppRequest } from './parse.ts';

const metadata = { display_phone_number: '15550783881', phone_number_id: '106540352242922' };
const contacts = [{ profile: { name: 'Sheena Nelson' }, wa_id: '16505551234', user_id: 'US.1349' }];
const who = { from: '16505551234', from_user_id: 'US.1349', id: 'wamid.IN', timestamp: '1749416383' };

function parse(body: unknown): readonly ChannelEvent[] {
  const parsed = parseWhatsAppRequest({
    path: '/whatsapp',
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
  });
  return parsed.kind === 'events' ? parsed.events : [];
}

const changed = (value: unknown, field = 'messages') =>
  parse({ object: 'whatsapp_business_account', entry: [{ id: '1022', changes: [{ value, field }] }] });
const message = (fields: object) =>
  changed({ messaging_product: 'whatsapp', metadata, contacts, messages: [{ ...who, ...fields }] })[0];
const status = (fields: object) =>
  changed({ messaging_product: 'whatsapp', metadata, statuses: [fields] })[0];
const account = { externalIds: ['106540352242922'], appId: null, agentUserId: '15550783881' };

describe('a message', () => {
  it('is a word in the chat with a person, who has a name', () => {
    expect(message({ type: 'text', text: { body: ' Does it come in blue? ' } })).toEqual({
      type: 'message',
      account,
      eventId: null,
      channelId: '16505551234',
      messageId: 'wamid.IN',
      threadId: null,
      scope: 'direct',
      sender: { externalId: '16505551234', name: 'Sheena Nelson' },
      text: 'Does it come in blue?',
      mentions: [],
      addressee: null,
      mentionsAgent: false,
      attachments: [],
      sentAtMs: 1_749_416_383_000,
      channelMetadata: { userId: 'US.1349' },
    });
  });

  it.each([
    ['image', { caption: 'Look', id: '1', mime_type: 'image/jpeg' }, 'Look', 'photo.jpg', 'image/jpeg'],
    [
      'audio',
      { id: '1', voice: true, mime_type: 'audio/ogg; codecs=opus' },
      '',
      'voice message.ogg',
      'audio/ogg',
    ],
    ['audio', { id: '1', voice: false, mime_type: 'audio/mpeg' }, '', 'audio.ogg', 'audio/mpeg'],
    ['video', { id: '1' }, '', 'video.mp4', 'video/mp4'],
    [
      'document',
      { id: '1', filename: 'a.pdf', mime_type: 'application/pdf' },
      '',
      'a.pdf',
      'application/pdf',
    ],
    ['sticker', { id: '1', animated: false, mime_type: 'image/webp' }, '', 'sticker.webp', 'image/webp'],
  ])('of type %s is a file, with what is said about it', (type, body, text, name, mediaType) => {
    expect(message({ type, [type]: body })).toMatchObject({
      text,
      attachments: [{ name, mediaType, externalId: '1', sizeBytes: null }],
    });
  });

  it.each([
    [
      'location',
      { latitude: 37.5, longitude: -122, name: 'Pier', address: 'Bay 1' },
      '[location: Pier, Bay 1, 37.5, -122]',
    ],
    ['location', { latitude: 1, longitude: 2 }, '[location: 1, 2]'],
    [
      'contacts',
      [
        {
          name: { formatted_name: 'Ann Lee' },
          org: { company: 'Acme' },
          phones: [{ phone: '+1 555' }],
          emails: [{ email: 'a@b.example' }],
        },
      ],
      '[contact: Ann Lee Acme +1 555 a@b.example]',
    ],
  ])('of type %s is told in words', (type, body, text) => {
    expect(message({ type, [type]: body })).toMatchObject({ type: 'message', text });
  });

  it('of somebody who hides their number is known by the id for this business', () => {
    const { from: _hidden, ...hidden } = who;
    const [event] = changed({
      metadata,
      contacts: [{ profile: { name: 'Gus', username: '@gus' }, user_id: 'US.1349' }],
      messages: [{ ...hidden, type: 'text', text: { body: 'hi' } }],
    });
    expect(event).toMatchObject({ channelId: 'US.1349', sender: { externalId: 'US.1349', name: 'Gus' } });
  });

  it('says what it replies to, and that it was forwarded', () => {
    const text = { type: 'text', text: { body: 'yes' } };
    expect(message({ ...text, context: { from: '15550783881', id: 'wamid.OUT' } })).toMatchObject({
      text: 'yes',
      quotes: { messageId: 'wamid.OUT', senderId: null, name: null, text: null, attachments: [] },
    });
    const forwarded = message({ ...text, context: { forwarded: true } });
    expect(forwarded).toMatchObject({ channelMetadata: { forwarded: true } });
    expect(forwarded).not.toHaveProperty('quotes');
  });

  it('says which product or advertisement it is about', () => {
    const text = { type: 'text', text: { body: 'Is this available?' } };
    const referred_product = { catalog_id: '194836987003835', product_retailer_id: 'di9ozbzfi4' };
    expect(
      message({ ...text, context: { from: '15550783881', id: 'wamid.OUT', referred_product } }),
    ).toMatchObject({
      quotes: { messageId: 'wamid.OUT', text: '[product di9ozbzfi4 of the catalogue 194836987003835]' },
    });
    const referral = {
      source_url: 'https://fb.me/3cr4Wqqkv',
      source_id: '120226305854810726',
      source_type: 'ad',
      body: 'Summer succulents are here!',
      headline: 'Chat with us',
      media_type: 'image',
      ctwa_clid: 'Aff-n8',
      welcome_message: { text: 'Hi there!' },
    };
    expect(message({ ...text, referral })).toMatchObject({
      text: 'Is this available?',
      quotes: {
        messageId: null,
        name: 'Advertisement',
        text: 'Chat with us\nhttps://fb.me/3cr4Wqqkv\nSummer succulents are here!\nHi there!',
      },
    });
  });

  it.each([
    ['poll_creation', 131_051, '[a poll whose content WhatsApp does not hand over]'],
    ['media_placeholder', 131_051, '[a picture or video whose content WhatsApp does not hand over]'],
    ['toString', 131_051, '[a message whose content WhatsApp does not hand over]'],
    [undefined, 131_060, '[a message whose content WhatsApp does not hand over]'],
  ])('that WhatsApp keeps from us (%s, %i) is told all the same', (type, code, text) => {
    const errors = [{ code, title: 'Message type unknown' }];
    const unsupported = type === undefined ? {} : { unsupported: { type } };
    expect(message({ type: 'unsupported', errors, ...unsupported })).toMatchObject({ type: 'message', text });
  });

  it.each(['edit', 'pin', 'poll_update', 'reaction', 'keep_in_chat', 'hsm', 'interactive'])(
    'that WhatsApp keeps from us and that nobody has said (%s) is ignored',
    (type) => {
      const reason = `message:unsupported:${type}`;
      expect(message({ type: 'unsupported', unsupported: { type } })).toMatchObject({
        type: 'ignored',
        reason,
      });
    },
  );

  it('that is an order is told by what was ordered', () => {
    const item = { product_retailer_id: 'di9ozbzfi4', quantity: 2, item_price: 7.99, currency: 'USD' };
    const order = { catalog_id: '1948', text: 'Love these!', product_items: [item] };
    expect(message({ type: 'order', order })).toMatchObject({
      text: '[order from the catalogue 1948]\n- 2 × di9ozbzfi4 at 7.99 USD\n\nLove these!',
    });
    const many = { ...order, product_items: Array.from({ length: 70 }, () => item) };
    expect(message({ type: 'order', order: many })).toMatchObject({
      text: expect.stringMatching(/^(?:[^\n]+\n){51}- and 20 more\n\nLove these!$/),
    });
  });

  it('that is a form is told by what was filled in', () => {
    const filled = (nfm_reply: object) =>
      message({
        type: 'interactive',
        context: { from: '15550783881', id: 'wamid.FORM' },
        interactive: { type: 'nfm_reply', nfm_reply },
      });
    const response_json = JSON.stringify({ flow_token: 't', day: 'Monday', guests: 2 });
    expect(filled({ name: 'flow', body: 'Sent', response_json })).toMatchObject({
      type: 'message',
      text: '[filled in a form]\n- day: Monday\n- guests: 2',
    });
    const values = { name: 'Gus', city: 'Bonn' };
    expect(
      filled({ name: 'address_message', body: 'Gus\nBonn', response_json: JSON.stringify({ values }) }),
    ).toMatchObject({ text: '[filled in a form]\nGus\nBonn\n- name: Gus\n- city: Bonn' });
    const long = JSON.stringify({ essay: 'x'.repeat(9_000) });
    expect(filled({ response_json: long })).toMatchObject({ text: expect.stringMatching(/^.{4000}$/s) });
  });

  it.each([
    [
      { type: 'system', system: { body: 'User changed', type: 'user_changed_number' } },
      'message:system:user_changed_number',
    ],
    [{ type: 'order', order: { catalog_id: 'c' } }, 'message:order'],
    [
      { type: 'interactive', interactive: { type: 'call_permission_reply', call_permission_reply: {} } },
      'press:call_permission_reply',
    ],
    [{ type: 'text', text: { body: ' ' } }, 'message:text'],
    [{ type: 'image', image: { caption: 'no id' } }, 'message:image'],
    [{ type: 'interactive', interactive: { type: 'nfm_reply', nfm_reply: {} } }, 'press:nfm_reply'],
    [{ type: 'text', text: { body: 'hi' }, group_id: 'g' }, 'group_message'],
    [{ type: 'text', text: { body: 'hi' }, id: undefined }, 'message_incomplete'],
    [{ type: 'text', text: { body: 'hi' }, from: undefined, from_user_id: undefined }, 'message_incomplete'],
    [{ type: 'reaction', reaction: {} }, 'reaction_incomplete'],
    [{ type: 'edit', edit: { original_message_id: 'wamid.A' } }, 'edit_without_text'],
    [{ type: 'revoke' }, 'revoke_incomplete'],
    [{}, 'message:undefined'],
    [{ type: 'constructor', constructor: {} }, 'message:constructor'],
    [{ type: 'toString' }, 'message:toString'],
  ])('%j is ignored as %s', (fields, reason) => {
    expect(message(fields)).toMatchObject({ type: 'ignored', reason });
  });
});

describe('what is about another message', () => {
  it('a reaction, without its skin tone', () => {
    const reaction = { message_id: 'wamid.OUT', emoji: '👍🏽' };
    expect(message({ type: 'reaction', reaction })).toMatchObject({
      type: 'reaction',
      channelId: '16505551234',
      messageId: 'wamid.OUT',
      senderId: '16505551234',
      emoji: '👍',
      present: true,
    });
  });

  it.each([{ message_id: 'wamid.OUT', emoji: '' }, { message_id: 'wamid.OUT' }])(
    'a reaction that is taken off, whatever it was: %j',
    (reaction) => {
      expect(message({ type: 'reaction', reaction })).toMatchObject({ emoji: '', present: false });
    },
  );

  it.each([
    [
      {
        type: 'interactive',
        interactive: { type: 'button_reply', button_reply: { id: 'choice-0', title: 'Blue' } },
      },
    ],
    [
      {
        type: 'interactive',
        interactive: { type: 'list_reply', list_reply: { id: 'choice-0', title: 'Blue' } },
      },
    ],
    [{ type: 'button', button: { payload: 'p', text: 'Blue' } }],
  ])('a press: %j', (fields) => {
    expect(message({ ...fields, context: { from: '15550783881', id: 'wamid.OUT' } })).toMatchObject({
      type: 'action',
      messageId: 'wamid.OUT',
      actionId: 'wamid.IN',
      choice: 'Blue',
      threadId: null,
    });
  });

  it('a press of which nobody says below what it stood is simply said', () => {
    const interactive = { type: 'button_reply', button_reply: { id: 'choice-0', title: 'Blue' } };
    expect(message({ type: 'interactive', interactive })).toMatchObject({ type: 'message', text: 'Blue' });
  });

  it('an edit, and that it was taken back', () => {
    const edit = { original_message_id: 'wamid.A', message: { type: 'text', text: { body: 'new words' } } };
    expect(message({ type: 'edit', edit })).toMatchObject({
      type: 'edit',
      messageId: 'wamid.A',
      text: 'new words',
    });
    expect(message({ type: 'revoke', revoke: { original_message_id: 'wamid.A' } })).toMatchObject({
      type: 'deletion',
      messageId: 'wamid.A',
    });
  });
});

describe('a status', () => {
  it('is a receipt if it names a delivery of ours', () => {
    const sent = { id: 'wamid.OUT', status: 'sent', timestamp: '1750000000', recipient_id: '16505551234' };
    expect(status({ ...sent, biz_opaque_callback_data: 'konstruct:42' })).toEqual({
      type: 'receipt',
      account,
      eventId: null,
      channelId: '16505551234',
      messageId: 'wamid.OUT',
      deliveryId: '42',
      failure: null,
      happenedAtMs: 1_750_000_000_000,
    });
    for (const marker of [undefined, 'other:42', 'konstruct:x', 'konstruct:4\u0000', 42]) {
      expect(status({ ...sent, biz_opaque_callback_data: marker })).toMatchObject({
        type: 'ignored',
        reason: 'status:sent_by_others',
      });
    }
  });

  it.each([
    [131_047, 'platform_window_closed', 're_engagement'],
    [131_026, 'platform_rejected', 'undeliverable'],
    [999_999, 'platform_rejected', 'graph_999999'],
  ])('that says failed with %i is a failure', (code, word, platformError) => {
    expect(
      status({ id: 'wamid.OUT', status: 'failed', recipient_user_id: 'US.1349', errors: [{ code }] }),
    ).toMatchObject({ channelId: 'US.1349', deliveryId: null, failure: { code: word, platformError } });
  });

  it.each(['delivered', 'read', 'played', 'warning'])('that says %s is nothing to us', (word) => {
    expect(status({ id: 'wamid.OUT', status: word })).toMatchObject({ reason: `status:${word}` });
  });
});

describe('a request', () => {
  it('may hold many accounts, numbers and messages', () => {
    const value = (id: string, texts: readonly string[]) => ({
      metadata: { ...metadata, phone_number_id: id },
      messages: texts.map((body, index) => ({
        ...who,
        id: `wamid.${id}${index}`,
        type: 'text',
        text: { body },
      })),
    });
    const events = parse({
      entry: [
        { id: 'a', changes: [{ field: 'messages', value: value('11111', ['one', 'two']) }] },
        {
          id: 'b',
          changes: [{ field: 'messages', value: value('22222', ['three']) }, { field: 'account_update' }],
        },
      ],
    });
    expect(events.map((event) => [event.account.externalIds[0], event.type])).toEqual([
      ['11111', 'message'],
      ['11111', 'message'],
      ['22222', 'message'],
      [undefined, 'ignored'],
    ]);
  });

  it('tells of errors and of what nobody asked for by a reason', () => {
    expect(changed({ metadata, errors: [{ code: 130_429 }] })).toMatchObject([{ reason: 'error:130429' }]);
    expect(changed({ metadata }, 'smb_message_echoes')).toMatchObject([
      { reason: 'field:smb_message_echoes' },
    ]);
    expect(changed({ messages: [who] })).toMatchObject([{ reason: 'number_missing' }]);
    expect(parse({})).toEqual([]);
  });
});
