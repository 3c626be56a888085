// One table of what Slack sends: split up, nobody would see what is missing in it.
import { describe, expect, it } from 'vitest';
import { seededRandom, slackFixture, slackFixtureNames } from '../../../test/support/slack-request.ts';
import type { ChannelRequest } from '../../core/channel.ts';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { isKonstructError } from '../../core/errors.ts';
import { parseSlackRequest } from './parse.ts';

type Json = Record<string, unknown>;

function request(body: string | Buffer, headers: ChannelRequest['headers'] = {}): ChannelRequest {
  return {
    path: '/slack/events',
    headers: { 'content-type': 'application/json', ...headers },
    body: Buffer.from(body),
  };
}

function parseOne(body: string, headers: ChannelRequest['headers'] = {}): ChannelEvent {
  const parsed = parseSlackRequest(request(body, headers));
  if (parsed.kind !== 'events' || parsed.events[0] === undefined) throw new Error('Expected one event.');
  expect(parsed.events).toHaveLength(1);
  return parsed.events[0];
}

function parseFixture(name: string, change: (envelope: Json, event: Json) => void = () => {}): ChannelEvent {
  const envelope = JSON.parse(slackFixture(name)) as Json;
  change(envelope, envelope.event as Json);
  return parseOne(JSON.stringify(envelope));
}

describe('url_verification', () => {
  it('answers the challenge', () => {
    expect(parseSlackRequest(request(slackFixture('url-verification')))).toEqual({
      kind: 'challenge',
      contentType: 'text/plain; charset=utf-8',
      body: '3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P',
    });
  });

  it('is malformed without one', () => {
    const body = '{"type":"url_verification","challenge":7}';
    expect(() => parseSlackRequest(request(body))).toThrow(
      expect.objectContaining({ code: 'body_malformed' }),
    );
  });
});

describe('messages', () => {
  it('reads an app_mention', () => {
    expect(parseFixture('app-mention')).toEqual({
      type: 'message',
      account: { externalIds: ['T0ACME0001'], appId: 'A0KONSTR01', agentUserId: 'U0ADABOT01' },
      eventId: 'Ev0AAAA0001',
      channelId: 'C0GENERAL1',
      messageId: '1760440341.944969',
      threadId: null,
      scope: 'channel',
      sender: { externalId: 'U0PERSON01', name: null },
      text: '@U0ADABOT01 what does R&D think of #roadmap?',
      mentions: [{ externalId: 'U0ADABOT01', name: null }],
      addressee: 'U0ADABOT01',
      mentionsAgent: true,
      attachments: [],
      sentAtMs: 1_760_440_341_944,
      channelMetadata: {
        clientMessageId: 'b5908b46-178e-4cc2-893e-5a878a225f70',
        senderTeamId: 'T0ACME0001',
      },
    });
  });

  it('reads the same message from `message` as from `app_mention`, another event id aside', () => {
    const mention = parseFixture('app-mention');
    expect({ ...parseFixture('message-with-mention'), eventId: mention.eventId }).toEqual(mention);
  });

  it('keeps the thread, and reads links', () => {
    expect(parseFixture('message-in-thread')).toMatchObject({
      threadId: '1760440341.944969',
      messageId: '1760440400.000100',
      text: 'And for the status page (https://status.acme.example/)?',
      mentionsAgent: false,
      addressee: null,
    });
  });

  it.each([
    ['message-im', 'direct'],
    ['message-mpim', 'group'],
    ['message-private-channel', 'channel'],
    ['app-mention', 'channel'],
    ['message-sparse', 'group'],
  ])('finds the scope of %s: %s', (name, scope) => {
    expect(parseFixture(name)).toMatchObject({ type: 'message', scope });
  });

  it('derives the scope from the channel’s id where there is no channel_type', () => {
    const strip = (_envelope: Json, event: Json): void => {
      delete event.channel_type;
    };
    expect(parseFixture('message-im', strip)).toMatchObject({ scope: 'direct' });
    expect(parseFixture('message-with-mention', strip)).toMatchObject({ scope: 'channel' });
  });

  it('reads a message that lacks everything that can be missing', () => {
    expect(parseFixture('message-sparse')).toMatchObject({
      type: 'message',
      account: { externalIds: ['T0ACME0001'], agentUserId: null },
      eventId: null,
      text: 'hello',
      sentAtMs: 1_760_440_341_944,
    });
  });

  it('names all users mentioned in order, and whom the text addresses', () => {
    expect(parseFixture('message-mpim')).toMatchObject({
      mentions: [{ externalId: 'U0PERSON02' }, { externalId: 'U0ADABOT01' }],
      addressee: 'U0PERSON02',
      mentionsAgent: true,
    });
  });

  it.each(['thread-broadcast', 'file-share', 'me-message'])('takes %s for a message', (name) => {
    expect(parseFixture(name)).toMatchObject({ type: 'message' });
  });

  it('lists files, also those of which Slack tells the id only, but not deleted ones', () => {
    expect(parseFixture('file-share')).toMatchObject({
      text: '',
      attachments: [
        { name: 'report.pdf', mediaType: 'application/pdf', sizeBytes: 182_044, externalId: 'F0REPORT01' },
        {
          name: 'F0CONNECT1',
          mediaType: 'application/octet-stream',
          sizeBytes: null,
          externalId: 'F0CONNECT1',
        },
      ],
    });
  });

  it('reads a message that has blocks only', () => {
    expect(parseFixture('blocks-only')).toMatchObject({
      text: [
        '@U0ADABOT01 please compare a < b & c:',
        'one :wave:',
        'two (https://acme.example/?a=1&b=2)',
        'x = 1',
        '*Done* & dusted',
        '<raw>',
      ].join('\n'),
      addressee: 'U0ADABOT01',
      mentionsAgent: true,
    });
  });

  describe('with a message that somebody shares', () => {
    const shared = (text: string, change: Json = {}, others: readonly Json[] = []) =>
      parseFixture('forwarded-message', (envelope, event) => {
        const [attachment] = event.attachments as readonly Json[];
        envelope.event = { ...event, text, attachments: [{ ...attachment, ...change }, ...others] };
      });
    const textOf = (event: ChannelEvent) => ('text' in event ? event.text : event.type);

    it('quotes it, before what is said about it', () => {
      expect(textOf(shared(''))).toBe('> Grace: The invoice is here (https://acme.example/i/7)');
      expect(textOf(shared('what do you make of this?', { text: 'one\ntwo' }))).toBe(
        '> Grace: one\n> two\n\nwhat do you make of this?',
      );
      expect(textOf(shared('?', { text: 'x'.repeat(20_000) })).length).toBeLessThan(10_100);
    });

    it('reads one of blocks only, as apps send them, and one that has nothing but a fallback', () => {
      const section = { type: 'section', text: { type: 'mrkdwn', text: 'Build *failed*' } };
      const message_blocks = [{ team: 'T0', channel: 'C0', ts: '1.2', message: { blocks: [section] } }];
      expect(textOf(shared('why?', { text: '', message_blocks }))).toBe('> Grace: Build *failed*\n\nwhy?');
      expect(textOf(shared('why?', { text: '' }))).toContain('grace: The invoice');
    });

    it('brings its files along', () => {
      const files = [{ id: 'F0PDF', name: 'plan.pdf', mimetype: 'application/pdf', size: 9 }];
      expect(shared('sum this up', { text: '', fallback: '', files })).toMatchObject({
        text: '> Grace: [attached: plan.pdf]\n\nsum this up',
        attachments: [{ externalId: 'F0PDF', name: 'plan.pdf', mediaType: 'application/pdf', sizeBytes: 9 }],
      });
    });

    it('calls upon nobody whom the shared message mentions', () => {
      const event = shared('look', { text: '<@U0ADABOT01> hello' });
      expect(event).toMatchObject({ mentions: [], mentionsAgent: false, addressee: null });
      expect(textOf(event)).toBe('> Grace: @U0ADABOT01 hello\n\nlook');
    });

    it('does not take for said what Slack adds by itself: the preview of a link, to a message too', () => {
      const link = {
        from_url: 'https://acme.example/',
        title: 'Acme',
        text: 'We sell.',
        blocks: [{ type: 'table' }],
      };
      expect(textOf(shared('see <https://acme.example/>', { is_share: false }, [link]))).toBe(
        'see https://acme.example/',
      );
    });
  });

  it('reads a table that somebody pastes, beside their words or alone', () => {
    const cell = (text: string) => ({ type: 'raw_text', text });
    const link = { type: 'link', url: 'https://acme.example/', text: 'a|b' };
    const rich = { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [link] }] };
    const table = {
      type: 'table',
      rows: [[cell('Item'), cell('Count')], [rich, { type: 'raw_number', value: 7 }], [null]],
    };
    const expected = '| Item | Count |\n| --- | --- |\n| a\\|b (https://acme.example/) | 7 |\n|  |  |';
    const withTable = (text: string, where: Json) =>
      parseFixture('message-im', (envelope, event) => {
        envelope.event = { ...event, text, blocks: [], ...where };
      });
    const composed = { attachments: [{ id: 1, blocks: [table], fallback: '[no preview available]' }] };
    expect(withTable('too many?', composed)).toMatchObject({ text: `too many?\n\n${expected}` });
    expect(withTable('', composed)).toMatchObject({ text: expected });
    expect(withTable('', { blocks: [table] })).toMatchObject({ text: expected });
    for (const rows of [undefined, 7, [], [7], [[]]])
      expect(withTable('', { blocks: [{ type: 'table', rows }] })).toMatchObject({ reason: 'message_empty' });
  });

  it('names an image that is all there is', () => {
    const image = { type: 'image', image_url: 'https://acme.example/x.png', alt_text: 'a <b> chart' };
    const parsed = parseFixture('message-im', (envelope, event) => {
      envelope.event = { ...event, text: '', blocks: [image] };
    });
    expect(parsed).toMatchObject({ text: '[image: a <b> chart]' });
  });

  it('keeps what Slack says about a repeated delivery, and processes it', () => {
    const event = parseOne(slackFixture('app-mention'), {
      'x-slack-retry-num': '2',
      'x-slack-retry-reason': 'http_timeout',
    });
    expect(event).toMatchObject({
      type: 'message',
      channelMetadata: { retryNumber: 2, retryReason: 'http_timeout' },
    });
  });

  it('drops what the database could not store: NUL and half surrogate pairs', () => {
    const event = parseFixture('message-im', (_envelope, inner) => {
      inner.text = 'a\0b\ud800c';
    });
    expect(event).toMatchObject({ text: 'ab\ufffdc' });
  });
});

describe('bots', () => {
  it.each([
    ['message-own', 'own_message'],
    ['message-changed-own', 'own_message'],
    ['message-other-bot', 'bot_message'],
    ['bot-message-subtype', 'bot_message'],
  ])('ignores %s', (name, reason) => {
    expect(parseFixture(name)).toMatchObject({ type: 'ignored', reason });
  });

  it.each([
    ['bot_id', 'B0OTHERBT1'],
    ['bot_profile', { id: 'B0OTHERBT1' }],
    ['subtype', 'bot_message'],
    ['user', 'U0ADABOT01'],
    ['app_id', 'A0KONSTR01'],
    ['user', 'USLACKBOT'],
  ])('knows a bot by its %s alone', (field, value) => {
    for (const name of ['app-mention', 'message-im']) {
      const event = parseFixture(name, (_envelope, inner) => {
        inner[field] = value;
      });
      expect(event).toMatchObject({ type: 'ignored' });
    }
  });

  it('knows every bot user of an older delivery that lists several installations', () => {
    const event = parseFixture('message-im', (envelope, inner) => {
      (envelope.authorizations as Json[]).push({ team_id: 'T0B', user_id: 'U0SECOND01', is_bot: true });
      inner.user = 'U0SECOND01';
    });
    expect(event).toMatchObject({ type: 'ignored', reason: 'own_message' });
  });

  it('does not take a person who authorised the app for the agent', () => {
    const event = parseFixture('message-im', (envelope) => {
      envelope.authorizations = [{ team_id: 'T0ACME0001', user_id: 'U0PERSON01', is_bot: false }];
    });
    expect(event).toMatchObject({ type: 'message', account: { agentUserId: null } });
  });
});

describe('edits and deletions', () => {
  it('reads an edit with the time of the edit and the id of the edited message', () => {
    expect(parseFixture('message-changed')).toMatchObject({
      type: 'edit',
      channelId: 'C0GENERAL1',
      messageId: '1760440341.944969',
      text: 'url https://github.com/ and one more word',
      editedAtMs: 1_760_440_351_000.2,
    });
  });

  it('knows the order of two edits within one second, which `edited` does not', () => {
    const editedAtMs = (eventTs: string) => {
      const event = parseFixture('message-changed', (_envelope, inner) => {
        inner.event_ts = eventTs;
      });
      return event?.type === 'edit' ? event.editedAtMs : null;
    };
    expect(editedAtMs('1760440350.000200')).toBeLessThan(Number(editedAtMs('1760440350.000300')));
  });

  it('ignores an unfurl', () => {
    expect(parseFixture('message-changed-unfurl')).toMatchObject({
      type: 'ignored',
      reason: 'text_unchanged',
    });
  });

  it('believes an edit without the previous message only if it says that it was edited', () => {
    const strip = (_envelope: Json, event: Json): void => {
      delete event.previous_message;
    };
    expect(parseFixture('message-changed', strip)).toMatchObject({ type: 'edit' });
    expect(parseFixture('message-changed-unfurl', strip)).toMatchObject({ type: 'ignored' });
  });

  it.each(['message-deleted', 'thread-root-deleted'])('reads %s', (name) => {
    expect(parseFixture(name)).toMatchObject({ type: 'deletion', messageId: '1760440341.944969' });
  });

  it('finds the deleted message where deleted_ts is missing', () => {
    const event = parseFixture('message-deleted', (_envelope, inner) => {
      delete inner.deleted_ts;
    });
    expect(event).toMatchObject({ type: 'deletion', messageId: '1760440341.944969' });
  });
});

describe('whose event it is', () => {
  it('goes by the authorisation in Slack Connect, never by the sender’s workspace', () => {
    expect(parseFixture('slack-connect')).toMatchObject({
      account: { externalIds: ['T0ACME0001'] },
      sender: { externalId: 'U0STRANGE1' },
      channelMetadata: { senderTeamId: 'T0OTHER001', outsidersPresent: true },
    });
  });

  it('goes by the context where the authorisation names nobody, and still not by the sender’s', () => {
    const nameless = (envelope: Json): void => {
      envelope.authorizations = [{ user_id: 'U0ADABOT01', is_bot: true }];
    };
    expect(parseFixture('slack-connect', nameless).account.externalIds).toEqual(['T0ACME0001']);
    const event = parseFixture('slack-connect', (envelope) => {
      nameless(envelope);
      delete envelope.context_team_id;
    });
    expect(event.account.externalIds).toEqual([]);
  });

  it('tries the workspace, then the organisation, for an organisation-wide installation', () => {
    expect(parseFixture('org-wide-install').account.externalIds).toEqual(['T0GRIDWS01', 'E0GRIDORG1']);
    const event = parseFixture('org-wide-install', (envelope) => {
      (envelope.authorizations as Json[])[0] = { enterprise_id: 'E0GRIDORG1', team_id: null };
    });
    expect(event.account.externalIds).toEqual(['E0GRIDORG1']);
  });

  it('leaves the organisation out where only the workspace installed the app', () => {
    const event = parseFixture('org-wide-install', (envelope) => {
      Object.assign((envelope.authorizations as Json[])[0] ?? {}, { is_enterprise_install: false });
    });
    expect(event.account.externalIds).toEqual(['T0GRIDWS01']);
  });
});

describe('the end of an installation', () => {
  it('reads app_uninstalled', () => {
    expect(parseFixture('app-uninstalled')).toMatchObject({
      type: 'uninstall',
      reason: 'app_uninstalled',
      account: { externalIds: ['T0ACME0001'] },
    });
  });

  it('reads tokens_revoked only when the bot’s token is among them', () => {
    // The organisation stays out of it: one workspace's goodbye does not end the organisation's installation.
    expect(parseFixture('tokens-revoked')).toMatchObject({
      type: 'uninstall',
      reason: 'tokens_revoked',
      account: { externalIds: ['T0ACME0001'] },
    });
    expect(parseFixture('tokens-revoked-person')).toMatchObject({ type: 'ignored' });
  });
});

describe('reactions', () => {
  const react = (name: string, type = 'reaction_added') =>
    parseFixture('reaction-added', (_envelope, event) => {
      event.reaction = name;
      event.type = type;
    });

  it.each([
    ['octagonal_sign', '🛑'],
    ['no_entry', '⛔'],
    ['mute', '🔇'],
    ['+1', '👍'],
    ['+1::skin-tone-4', '👍'],
    ['thumbsup', '👍'],
    ['-1', '👎'],
    ['thumbsdown', '👎'],
  ])('reads %s as %s, on whichever message', (name, emoji) => {
    expect(react(name)).toMatchObject({
      type: 'reaction',
      channelId: 'C0GENERAL1',
      messageId: '1760440345.000300',
      senderId: 'U0PERSON01',
      emoji,
      present: true,
      reactedAtMs: 1760440360000,
    });
    expect(react(name, 'reaction_removed')).toMatchObject({ emoji, present: false });
  });

  it.each([
    ['of ours', (event: Json) => ({ ...event, user: 'U0ADABOT01' }), 'own_reaction'],
    ['on a file', (event: Json) => ({ ...event, item: { type: 'file', file: 'F1' } }), 'reaction_on:file'],
    ['that means nothing to an agent', (event: Json) => ({ ...event, reaction: 'tada' }), 'reaction:tada'],
    ['without a message', (event: Json) => ({ ...event, item: { type: 'message' } }), 'reaction_incomplete'],
  ])('ignores one %s', (_name, change, reason) => {
    const parsed = parseFixture('reaction-added', (envelope, event) => {
      envelope.event = change({ ...event, reaction: 'mute' });
    });
    expect(parsed).toMatchObject({ type: 'ignored', reason });
  });
});

describe('the opening of a conversation', () => {
  it('is that of the direct conversation, and of no other tab of the app', () => {
    const openedAt = (change: object) =>
      parseFixture('app-home-opened', (envelope, event) => {
        envelope.event = { ...event, ...change };
      });
    expect(openedAt({ tab: 'messages' })).toMatchObject({
      type: 'opening',
      channelId: 'D0DIRECT01',
      threadId: null,
      personId: 'U0PERSON01',
    });
    expect(openedAt({ tab: 'home' })).toMatchObject({ type: 'ignored', reason: 'opening_elsewhere' });
    expect(openedAt({ tab: 'messages', channel: 7 })).toMatchObject({ reason: 'opening_incomplete' });
  });

  it('begins a thread of its own in an app of the older kind', () => {
    expect(parseFixture('assistant-thread-started')).toMatchObject({
      type: 'opening',
      channelId: 'D0DIRECT01',
      threadId: '1760440341.944969',
      personId: 'U0PERSON01',
      account: { externalIds: ['T0ACME0001'] },
    });
    const body = '{"type":"event_callback","event":{"type":"assistant_thread_started"}}';
    expect(parseOne(body)).toMatchObject({ type: 'ignored', reason: 'opening_incomplete' });
  });
});

describe('what is not for us', () => {
  it.each([
    ['channel-join', 'subtype:channel_join'],
    ['app-rate-limited', 'app_rate_limited'],
  ])('ignores %s with a reason', (name, reason) => {
    expect(parseFixture(name)).toMatchObject({ type: 'ignored', reason });
  });

  it.each([
    [
      'payload=%7B%22type%22%3A%22block_actions%22%2C%22team%22%3A%7B%22id%22%3A%22T1%22%7D%7D',
      'interaction:other_action',
    ],
    ['command=%2Fada&team_id=T1&text=hi', 'command_incomplete'],
    ['ssl_check=1&token=x&team_id=T1', 'ssl_check'],
  ])('recognises the form %s', (body, reason) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(parseOne(body, headers)).toMatchObject({ type: 'ignored', reason });
  });

  it.each([
    ['', {}],
    ['payload=x', {}],
    ['payload=x', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['null', {}],
    ['7', {}],
    ['"text"', {}],
    ['[{"type":"event_callback"}]', {}],
    ['{"type":"event_callback"', {}],
    ['<html></html>', {}],
  ])('refuses the body %s', (body, headers) => {
    expect(() => parseOne(body, headers)).toThrow(expect.objectContaining({ code: 'body_malformed' }));
  });

  it('takes ten thousand levels of nesting', () => {
    const nested = `${'{"elements":['.repeat(10_000)}${']}'.repeat(10_000)}`;
    const block = `{"type":"rich_text","elements":[${nested}]}`;
    const body = `{"type":"event_callback","event":{"type":"message","blocks":[${block}]}}`;
    expect(parseOne(body)).toMatchObject({ type: 'ignored' });
  });
});

describe('anything', () => {
  it('never fails on 20,000 random changes of real payloads', () => {
    const random = seededRandom(42);
    const originals = slackFixtureNames().map(slackFixture);
    const seen = new Set<string>();
    for (let round = 0; round < 20_000; round += 1) {
      const envelope: unknown = JSON.parse(originals[Math.floor(random() * originals.length)] ?? '{}');
      const changes = 1 + Math.floor(random() * 4);
      for (let count = 0; count < changes; count += 1) disturb(envelope, random);
      seen.add(outcome(JSON.stringify(envelope)));
    }
    expect([...seen].sort()).toEqual([
      'body_malformed',
      'challenge',
      'deletion',
      'edit',
      'ignored',
      'message',
      'opening',
      'reaction',
      'uninstall',
    ]);
  });
});

/** What came of a body; throws what is not the project's error for a malformed one. */
function outcome(body: string): string {
  try {
    const parsed = parseSlackRequest(request(body));
    if (parsed.kind === 'challenge') return 'challenge';
    const [event] = parsed.events;
    // What is handed on must reach a jsonb column and back.
    const text = JSON.stringify(event);
    if (/\\u0000|\\ud[89a-f]/.test(text)) throw new Error(`Not storable: ${text}`);
    if (event?.type === 'message' && !Number.isSafeInteger(event.sentAtMs))
      throw new Error(`No time: ${text}`);
    return event?.type ?? 'none';
  } catch (error) {
    if (isKonstructError(error, 'body_malformed')) return error.code;
    throw new Error(`Failed on ${body}`, { cause: error });
  }
}

const ODDITIES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1e308,
  '',
  'x',
  '\0',
  '\ud800',
  '<@U1>',
  '<'.repeat(50),
  [],
  [[]],
  [null],
  {},
  { type: 'x' },
  '__proto__',
  { length: -1 },
  '9999999999.999999',
  '1.1',
  'C1',
  Array(20).fill({ type: 'rich_text', elements: [{}] }),
];

/** Deletes, replaces or duplicates one field somewhere in the value. */
function disturb(root: unknown, random: () => number): void {
  const places: [Json, string][] = [];
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const key of Object.keys(value)) {
      places.push([value as Json, key]);
      visit((value as Json)[key]);
    }
  };
  visit(root);
  const [holder, key] = places[Math.floor(random() * places.length)] ?? [];
  if (holder === undefined || key === undefined) return;
  if (random() < 0.3) delete holder[key];
  else holder[key] = structuredClone(ODDITIES[Math.floor(random() * ODDITIES.length)]);
}
