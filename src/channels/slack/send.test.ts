import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type SlackWebApi, startSlackWebApi } from '../../../test/support/slack-web-api.ts';
import type { Channel } from '../../core/channel.ts';
import type { Sleep } from '../../core/clock.ts';
import { KonstructError } from '../../core/errors.ts';
import type { LogFields } from '../../core/log.ts';
import type { ConnectionAccess, OutboundMessage } from '../../core/outbound.ts';
import { createSlackChannel } from './index.ts';

const TOKEN = 'xoxb-1-very-secret';
const access: ConnectionAccess = {
  connectionId: 'connection-1',
  externalId: 'T0ACME0001',
  credentials: { botToken: TOKEN },
};
const message: OutboundMessage = {
  target: { channelId: 'C0GENERAL1', threadId: '1712345678.000100' },
  markdown: '**Private words**',
  marker: { deliveryId: 'delivery-1' },
};

let slack: SlackWebApi;
let channel: Channel;
/** Time as the channel sees it: only sleeping moves it. */
let nowMs: number;
let slept: number[];
let logged: (readonly [string, LogFields | undefined])[];
const never = new AbortController().signal;

const sleep: Sleep = async (ms, signal) => {
  signal?.throwIfAborted();
  slept.push(ms);
  nowMs += ms;
};

function open(apiUrl: string, timeoutMs = 2000): Channel {
  const write = (event: string, fields?: LogFields): void => {
    logged.push([event, fields]);
  };
  const log = { debug: write, info: write, warn: write, error: write };
  return createSlackChannel({ apiUrl, clock: () => nowMs, random: () => 0.5, sleep, log, timeoutMs });
}

async function failure(promise: Promise<unknown>): Promise<KonstructError> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof KonstructError)) throw new Error(`Expected a KonstructError, got ${inspect(error)}`);
  return error;
}

beforeEach(async () => {
  nowMs = 1_712_345_678_000;
  slept = [];
  logged = [];
  slack = await startSlackWebApi();
  channel = open(slack.apiUrl);
});

afterEach(async () => {
  channel.close();
  await slack[Symbol.asyncDispose]();
});

describe('post', () => {
  it('sends markdown into the thread with its marker and without previews', async () => {
    const posted = await channel.post(access, message, never);
    expect(posted.messageId).toMatch(/^\d+\.\d+$/);
    expect(slack.calls).toHaveLength(1);
    const [call] = slack.calls;
    expect(call).toMatchObject({
      method: 'chat.postMessage',
      token: TOKEN,
      fields: {
        channel: 'C0GENERAL1',
        thread_ts: '1712345678.000100',
        markdown_text: '**Private words**',
        unfurl_links: 'false',
        unfurl_media: 'false',
      },
    });
    expect(JSON.parse(call?.fields.metadata ?? '')).toEqual({
      event_type: 'konstruct_delivery',
      event_payload: { delivery_id: 'delivery-1' },
    });
    expect(slept).toEqual([]);
  });

  it('leaves out the thread where there is none', async () => {
    await channel.post(access, { ...message, target: { channelId: 'D0DIRECT01', threadId: null } }, never);
    expect(slack.calls[0]?.fields).not.toHaveProperty('thread_ts');
  });

  it('takes the token of each call, so that connections do not mix', async () => {
    const tokens = Array.from({ length: 8 }, (_, index) => `xoxb-${index}`);
    await Promise.all(
      tokens.map((botToken, index) =>
        channel.post({ ...access, connectionId: `c-${index}`, credentials: { botToken } }, message, never),
      ),
    );
    expect(slack.calls.map(({ token }) => token).sort()).toEqual(tokens);
  });

  it('uses one connection for one call after another', async () => {
    for (let count = 0; count < 5; count += 1) await channel.post(access, message, never);
    expect(slack.connections).toBe(1);
  });

  it('waits out a 429 and sends again', async () => {
    slack.fail('chat.postMessage', { kind: 'status', status: 429, headers: { 'retry-after': '3' } });
    await channel.post(access, message, never);
    expect(slack.calls).toHaveLength(2);
    expect(slept).toEqual([3000 + 125]);
  });

  it('gives up with the time Slack named when that is longer than it may wait', async () => {
    slack.fail('chat.postMessage', { kind: 'status', status: 429, headers: { 'retry-after': '60' } });
    const error = await failure(channel.post(access, message, never));
    expect(error).toMatchObject({ code: 'platform_rate_limited', retryAfterMs: 60_000 });
    // The hold is for the method of this connection: others go on.
    await expect(
      channel.edit(access, { ...message, messageId: '1712345678.000200' }, never),
    ).resolves.toBeUndefined();
    await expect(channel.post({ ...access, connectionId: 'other' }, message, never)).resolves.toBeDefined();
    expect(await failure(channel.post(access, message, never))).toMatchObject({ retryAfterMs: 60_000 });
    expect(slack.calls).toHaveLength(3);
  });

  it('takes a 429 without a Retry-After and the error word `ratelimited` for limits too', async () => {
    slack.fail('chat.postMessage', { kind: 'status', status: 429 });
    slack.fail('chat.postMessage', {
      kind: 'answer',
      body: { ok: false, error: 'ratelimited' },
      headers: { 'retry-after': '2' },
    });
    await channel.post(access, message, never);
    expect(slept).toEqual([1125, 2125]);
  });

  it('spaces messages in one channel after a burst of ten, and in that channel only', async () => {
    for (let count = 0; count < 12; count += 1) await channel.post(access, message, never);
    expect(slept).toEqual([1000, 1000]);
    await channel.post(access, { ...message, target: { channelId: 'C0RANDOM01', threadId: null } }, never);
    expect(slept).toHaveLength(2);
  });

  it('tries again when the connection was refused, then says that nothing was sent', async () => {
    const closed = open('http://127.0.0.1:1/api/');
    const error = await failure(closed.post(access, message, never));
    closed.close();
    expect(error).toMatchObject({ code: 'platform_unavailable', retryable: true });
    expect(error.details).toEqual({ method: 'chat.postMessage', platformError: 'ECONNREFUSED' });
    expect(slept).toEqual([250, 500]);
  });

  it('knows that nothing was sent when the TLS handshake failed', async () => {
    const secure = open(slack.apiUrl.replace('http:', 'https:'));
    const error = await failure(secure.post(access, message, never));
    secure.close();
    expect(error.code).toBe('platform_unavailable');
    expect(error.details).not.toHaveProperty('outcomeUnknown');
    expect(slack.calls).toHaveLength(0);
  });

  it('tries again when Slack says that it did nothing', async () => {
    slack.fail('chat.postMessage', { kind: 'answer', body: { ok: false, error: 'service_unavailable' } });
    await channel.post(access, message, never);
    expect(slack.calls).toHaveLength(2);
  });

  it.each([
    ['an internal error', { kind: 'answer', body: { ok: false, error: 'internal_error' } }],
    ['a fatal error', { kind: 'answer', body: { ok: false, error: 'fatal_error' } }],
    ['a 500', { kind: 'status', status: 500, body: 'oops' }],
    ['a 503 from a proxy', { kind: 'status', status: 503, body: '<html>upstream reset</html>' }],
    ['a page instead of JSON', { kind: 'status', status: 200, body: '<html>Private words</html>' }],
    ['an answer without a ts', { kind: 'answer', body: { ok: true } }],
    ['a connection that breaks', { kind: 'hang_up' }],
    ['an answer that is cut short', { kind: 'cut_short' }],
    ['silence until the deadline', { kind: 'silence' }],
  ] as const)('does not send again after %s: the outcome is unknown', async (_name, fault) => {
    const impatient = open(slack.apiUrl, 200);
    slack.fail('chat.postMessage', fault);
    const error = await failure(impatient.post(access, message, never));
    impatient.close();
    expect(error.code).toBe('platform_unavailable');
    expect(error.details.outcomeUnknown).toBe(true);
    expect(slack.calls).toHaveLength(1);
  });

  it.each([
    'invalid_auth',
    'account_inactive',
    'token_revoked',
    'token_expired',
    'not_authed',
    'channel_not_found',
    'not_in_channel',
    'is_archived',
    'msg_too_long',
    'restricted_action',
    'a_word_that_slack_makes_up_tomorrow',
  ])('is rejected with Slack’s word: %s', async (platformError) => {
    slack.fail('chat.postMessage', { kind: 'answer', body: { ok: false, error: platformError } });
    const error = await failure(channel.post(access, message, never));
    expect(error).toMatchObject({ code: 'platform_rejected', retryable: false });
    expect(error.details.platformError).toBe(platformError);
  });

  it('names the scope that is missing', async () => {
    const body = { ok: false, error: 'missing_scope', needed: 'chat:write', provided: 'users:read' };
    slack.fail('chat.postMessage', { kind: 'answer', body });
    const error = await failure(channel.post(access, message, never));
    expect(error.details).toMatchObject({ needed: 'chat:write', provided: 'users:read' });
  });

  it('is rejected without a call when the connection has no token', async () => {
    const error = await failure(channel.post({ ...access, credentials: {} }, message, never));
    expect(error.details.platformError).toBe('not_authed');
    expect(slack.calls).toHaveLength(0);
  });

  it('ends at once when it is aborted, with the outcome unknown once the request was out', async () => {
    slack.fail('chat.postMessage', { kind: 'silence' });
    const controller = new AbortController();
    const pending = failure(channel.post(access, message, controller.signal));
    while (slack.calls.length === 0) await delay(1);
    controller.abort();
    const error = await pending; // its own deadline would end it as `platform_unavailable`
    expect(error).toMatchObject({ code: 'aborted', details: { outcomeUnknown: true } });
    const before = await failure(channel.post(access, message, controller.signal));
    expect(before).toMatchObject({ code: 'aborted', details: {} });
  });

  it('ends only the call whose signal says so', async () => {
    slack.fail('chat.postMessage', { kind: 'silence' });
    const controller = new AbortController();
    const ended = failure(channel.post(access, message, controller.signal));
    while (slack.calls.length === 0) await delay(1);
    const others = Promise.all([channel.post(access, message, never), channel.post(access, message, never)]);
    controller.abort();
    expect(await ended).toMatchObject({ code: 'aborted' });
    await expect(others).resolves.toHaveLength(2);
  });

  it('keeps token and text out of errors and logs', async () => {
    const page = `<html>Bearer ${TOKEN} Private words</html>`;
    slack.fail('chat.postMessage', { kind: 'status', status: 500, body: page });
    slack.fail('chat.postMessage', { kind: 'status', status: 200, body: page });
    slack.fail('chat.postMessage', {
      kind: 'answer',
      body: { ok: false, error: 'invalid_auth', echo: page },
    });
    slack.fail('chat.postMessage', { kind: 'hang_up' });
    slack.fail('chat.postMessage', {
      kind: 'status',
      status: 429,
      body: page,
      headers: { 'retry-after': '99' },
    });
    const errors: unknown[] = [];
    for (let count = 0; count < 5; count += 1)
      errors.push(await failure(channel.post(access, message, never)));
    const seen = inspect([errors, logged], { depth: 20, showHidden: true, maxStringLength: null });
    expect(seen).not.toContain('very-secret');
    expect(seen).not.toContain('Private words');
  });
});

describe('edit', () => {
  const edit = { ...message, messageId: '1712345678.000200' };

  it('replaces the text and keeps the marker', async () => {
    await channel.edit(access, edit, never);
    expect(slack.calls[0]).toMatchObject({
      method: 'chat.update',
      fields: { channel: 'C0GENERAL1', ts: '1712345678.000200', markdown_text: '**Private words**' },
    });
    expect(slack.calls[0]?.fields.metadata).toContain('delivery-1');
    expect(slack.calls[0]?.fields).not.toHaveProperty('thread_ts');
  });

  it('waits a second between edits of one message after two, not of others', async () => {
    await channel.edit(access, edit, never);
    await channel.edit(access, edit, never);
    await channel.edit(access, { ...edit, messageId: '1712345678.000300' }, never);
    expect(slept).toEqual([]);
    await channel.edit(access, edit, never);
    expect(slept).toEqual([1000]);
  });

  it('tries again after an unknown outcome: the same text twice is the same', async () => {
    slack.fail('chat.update', { kind: 'hang_up' });
    slack.fail('chat.update', { kind: 'answer', body: { ok: false, error: 'internal_error' } });
    await channel.edit(access, edit, never);
    expect(slack.calls).toHaveLength(3);
  });

  it.each(['cant_update_message', 'message_not_found', 'edit_window_closed'])(
    'is rejected: %s',
    async (word) => {
      slack.fail('chat.update', { kind: 'answer', body: { ok: false, error: word } });
      expect(await failure(channel.edit(access, edit, never))).toMatchObject({ code: 'platform_rejected' });
    },
  );
});

describe('postPrivately', () => {
  it('shows a channel’s message to one person only', async () => {
    const { target } = message;
    await channel.postPrivately(access, { target, personId: 'U0PERSON01', markdown: 'Slow down.' }, never);
    expect(slack.calls[0]).toMatchObject({ method: 'chat.postEphemeral', fields: { user: 'U0PERSON01' } });
  });

  it('posts in a DM', async () => {
    const target = { channelId: 'D0DIRECT01', threadId: null };
    await channel.postPrivately(access, { target, personId: 'U0PERSON01', markdown: 'Slow down.' }, never);
    expect(slack.calls[0]).toMatchObject({ method: 'chat.postMessage' });
    expect(slack.calls[0]?.fields).not.toHaveProperty('user');
  });
});

describe('remove', () => {
  const removal = { target: message.target, messageId: '1712345679.000200' };

  it('takes the message away; one that is gone already is as good', async () => {
    slack.answer('chat.delete', () => ({ ok: true }));
    await channel.remove(access, removal, never);
    slack.fail('chat.delete', { kind: 'answer', body: { ok: false, error: 'message_not_found' } });
    await channel.remove(access, removal, never);
    const calls = slack.calls.filter(({ method }) => method === 'chat.delete');
    expect(calls.map(({ fields }) => fields)).toEqual([
      expect.objectContaining({ channel: 'C0GENERAL1', ts: '1712345679.000200' }),
      expect.objectContaining({ channel: 'C0GENERAL1', ts: '1712345679.000200' }),
    ]);
  });

  it('fails when it may not, and is not tried by whoever lost the lease', async () => {
    slack.fail('chat.delete', { kind: 'answer', body: { ok: false, error: 'cant_delete_message' } });
    expect((await failure(channel.remove(access, removal, never))).details.platformError).toBe(
      'cant_delete_message',
    );
    const lost = { ...removal, mayStillSend: () => false };
    expect((await failure(channel.remove(access, lost, never))).code).toBe('lease_lost');
  });
});
