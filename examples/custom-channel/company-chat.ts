// A channel of your own: one file that exports a list named `channels`. This one is a made-up chat of a company that talks
// signed JSON over HTTP. What each part has to hold to: docs/guides/write-a-channel.md.
//
//   KONSTRUCT_CHANNELS=examples/custom-channel/company-chat.ts npm start
//
// and, in konstruct.yaml:
//
//   connections:
//     - channel: company-chat
//       externalId: acme                # what the chat calls this company
//       agent: ada
//       credentials: { token: "${CHAT_TOKEN}", signingSecret: "${CHAT_SECRET}" }
import { createHmac, timingSafeEqual } from 'node:crypto';
import {
  type Channel,
  type ChannelDefinition,
  type ChannelEvent,
  type ChannelOptions,
  type ConnectionAccess,
  KonstructError,
  splitMarkdown,
} from '../../src/index.ts'; // in a program of yours: from 'konstruct'

const MAX_CHARACTERS = 4_000;
const MAX_SKEW_MS = 300_000;
const TIMEOUT_MS = 10_000;

const companyChat: ChannelDefinition = {
  type: 'company-chat',
  displayName: 'Company chat',
  // Not shared: each connection has an address of its own, /company-chat/{connectionId}, and its own secret.
  webhook: { path: '/company-chat', shared: false },
  connection: {
    externalId: /^[a-z][a-z0-9-]{1,40}$/,
    externalIdMeaning: 'the name of a company in the chat',
    required: ['token', 'signingSecret'],
    optional: [],
  },
  defaultApiUrl: 'http://127.0.0.1:9999',
  open: openCompanyChat,
};

export const channels: readonly ChannelDefinition[] = [companyChat];

function openCompanyChat({ apiUrl, timeoutMs = TIMEOUT_MS }: ChannelOptions): Channel {
  /** One exchange. What happened is an error of the table, so that the pipeline knows what may be repeated. */
  async function call(
    access: ConnectionAccess,
    method: string,
    path: string,
    body: object | null,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> {
    if (signal.aborted) throw new KonstructError('aborted');
    let response: Response;
    let answer: Readonly<Record<string, unknown>>;
    try {
      response = await fetch(apiUrl + path, {
        method,
        headers: { authorization: `Bearer ${access.credentials.token}`, 'content-type': 'application/json' },
        body: body === null ? null : JSON.stringify(body),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      answer = (await response.json().catch(() => ({}))) as Readonly<Record<string, unknown>>;
    } catch {
      if (signal.aborted) throw new KonstructError('aborted');
      // Whether it was done nobody knows: the pipeline looks for the marker before it sends again.
      throw new KonstructError('platform_unavailable', undefined, { details: { outcomeUnknown: true } });
    }
    if (response.ok) return answer;
    if (response.status === 429) {
      const retryAfterMs = Number(response.headers.get('retry-after') ?? 1) * 1_000;
      throw new KonstructError('platform_rate_limited', undefined, { retryAfterMs });
    }
    if (response.status >= 500) {
      throw new KonstructError('platform_unavailable', undefined, { details: { outcomeUnknown: true } });
    }
    const platformError = response.status === 404 ? 'message_not_found' : `http_${response.status}`;
    throw new KonstructError('platform_rejected', undefined, { details: { platformError } });
  }

  return {
    type: companyChat.type,
    capabilities: {
      edit: true,
      remove: true,
      threads: true,
      findByMarker: true,
      postPrivately: false,
      stream: 'edits',
      buttons: null,
      reactions: false,
      typing: false,
      files: { incoming: null, outgoing: null },
      maxCharacters: MAX_CHARACTERS,
      editsPerSecond: 1,
    },

    // Over the raw bytes, before anything is parsed, and in constant time.
    verify({ headers, body }, signingSecret, nowMs) {
      const signature = headers['x-chat-signature'];
      const timestamp = headers['x-chat-timestamp'];
      if (!signature || !timestamp) throw new KonstructError('signature_missing');
      const isWellFormed =
        typeof signature === 'string' && typeof timestamp === 'string' && /^[0-9]{13}$/.test(timestamp);
      if (signingSecret === '' || !isWellFormed) throw new KonstructError('signature_invalid');
      if (Math.abs(nowMs - Number(timestamp)) > MAX_SKEW_MS) throw new KonstructError('signature_expired');
      const expected = createHmac('sha256', signingSecret).update(`${timestamp}.`).update(body).digest('hex');
      const [ours, theirs] = [Buffer.from(expected), Buffer.from(signature)];
      if (ours.length !== theirs.length || !timingSafeEqual(ours, theirs)) {
        throw new KonstructError('signature_invalid');
      }
    },
    connectionSecret: (_connectionId, { signingSecret }) => signingSecret ?? null,

    // Pure. What is not known is ignored with a reason; only what is no JSON object is malformed.
    parse({ body }) {
      let event: unknown;
      try {
        event = JSON.parse(body.toString('utf8'));
      } catch {
        throw new KonstructError('body_malformed'); // the cause quotes the body, which is a person's message
      }
      if (typeof event !== 'object' || event === null || Array.isArray(event))
        throw new KonstructError('body_malformed');
      return { kind: 'events', events: [toEvent(event)] };
    },

    async prepare() {}, // nothing to load
    async examine() {
      return []; // nothing that the identity does not say
    },
    async identify(access, signal) {
      const me = await call(access, 'GET', '/me', null, signal);
      const name = String(me.company);
      return { externalId: name, agentUserId: String(me.user), name, scopes: null };
    },

    async post(access, { target, markdown, marker, mayStillSend }, signal) {
      if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
      const message = {
        room: target.channelId,
        thread: target.threadId,
        text: withoutCalls(markdown),
        marker: marker.deliveryId,
      };
      const posted = await call(access, 'POST', '/messages', message, signal);
      return { messageId: String(posted.id) };
    },
    async edit(access, { messageId, markdown, mayStillSend }, signal) {
      // Twice the same is once, so a failure of unknown outcome is simply tried again.
      for (let attempt = 1; ; attempt += 1) {
        if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
        try {
          await call(access, 'PUT', `/messages/${messageId}`, { text: withoutCalls(markdown) }, signal);
          return;
        } catch (error) {
          const mayHelp = error instanceof KonstructError && error.code === 'platform_unavailable';
          if (!mayHelp || attempt === 3) throw error;
        }
      }
    },
    async remove(access, { messageId }, signal) {
      try {
        await call(access, 'DELETE', `/messages/${messageId}`, null, signal);
      } catch (error) {
        const isGone = error instanceof KonstructError && error.details.platformError === 'message_not_found';
        if (!isGone) throw error;
      }
    },
    async postPrivately(access, { target, markdown }, signal) {
      const message = { room: target.channelId, thread: target.threadId, text: withoutCalls(markdown) };
      await call(access, 'POST', '/messages', message, signal);
    },
    async findByMarker(access, target, marker, signal) {
      const query = new URLSearchParams({ room: target.channelId, marker: marker.deliveryId });
      const { id } = await call(access, 'GET', `/messages?${query}`, null, signal);
      return typeof id === 'string' ? { messageId: id } : null;
    },
    fetchThread: async () => null, // this chat does not let us read
    isPerson: async () => null,
    personName: async () => null,
    split: (markdown) => splitMarkdown(markdown, MAX_CHARACTERS - 100),
    format: (markdown) => ({ text: withoutCalls(markdown) }),
    close() {},
  };
}

/** What an agent writes must not call upon a whole room: a zero-width space takes the ring out of it. */
function withoutCalls(text: string): string {
  return text.replaceAll('@all', '@\u200ball');
}

function toEvent(event: unknown): ChannelEvent {
  const { id, company, room, thread, person, text, sentAtMs, direct, mentionsAgent } = recordOf(event);
  const account = {
    externalIds: [company].map(idOf).filter((each) => each !== null),
    appId: null,
    agentUserId: null,
  };
  const { id: personId, name } = recordOf(person);
  const [messageId, channelId, senderId] = [idOf(id), idOf(room), idOf(personId)];
  if (messageId === null || channelId === null || senderId === null || typeof text !== 'string')
    return { type: 'ignored', account, eventId: null, reason: 'no_message' };
  return {
    type: 'message',
    account,
    eventId: idOf(recordOf(event).eventId),
    channelId,
    // However often it comes, a message has one id: that is how it is answered once.
    messageId,
    threadId: idOf(thread),
    scope: direct === true ? 'direct' : 'channel',
    sender: { externalId: senderId, name: typeof name === 'string' ? storable(name) : null },
    text: storable(text),
    mentions: [],
    addressee: null,
    mentionsAgent: mentionsAgent === true,
    attachments: [],
    sentAtMs: isTime(sentAtMs) ? sentAtMs : Date.now(),
    channelMetadata: {},
  };
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** What is no id is not made into one: an id with half of a character in it could not even be stored. */
function idOf(value: unknown): string | null {
  return typeof value === 'string' && /^[\x21-\x7e]{1,120}$/.test(value) ? value : null;
}

/** JSON may hold what PostgreSQL does not take: NUL, and halves of characters. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

/** As a date up to the year 9999 in ms since 1970. */
function isTime(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= 253_402_300_799_999;
}
