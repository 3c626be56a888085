import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { createRsaSigner, type RsaSigner } from '../rsa-signer.ts';
import { createWindowLimits, type WindowLimit, type WindowLimits } from '../window-limits.ts';
import { checkMessage } from './check-activity.ts';
import { createStandInStreams, type StreamBehaviour } from './stand-in-streams.ts';
import {
  type Card,
  ConnectorRefusal,
  type Conversation,
  type Message,
  type Person,
  type StreamState,
  type TeamsApp,
} from './teams-world.ts';

type Given = Readonly<Record<string, unknown>>;

export interface RecordedCall {
  readonly appId: string;
  readonly method: string;
  /** The part of the address before `/v3`: `teams` is the global one. */
  readonly region: string;
  readonly conversationId: string;
  readonly activity: Given;
}

/** What goes wrong with the next calls. `cut_after`: the work is done and the connection ends without an answer. */
export interface Fault {
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly kind: 'limit' | 'error' | 'precondition' | 'cut_after' | 'cut_before' | 'silent_after';
  readonly retryAfterSeconds?: number;
  /** Only activities of a stream, of this type. */
  readonly streamType?: 'informative' | 'streaming' | 'final';
  remaining: number;
}

export interface Saying {
  readonly from: Person;
  /** With `<at>name</at>` for each of `mentions`. */
  readonly text?: string;
  readonly mentions?: readonly Person[];
  /** The post it replies to, in a channel. */
  readonly rootId?: string;
  /** A message that it replies to with a quotation, and what it passes on, each with its author. */
  readonly quotes?: { readonly from: Person; readonly id: string; readonly text: string };
  readonly passesOn?: string;
  /** Further fields of the activity. */
  readonly fields?: Given;
}

/** Microsoft Teams on loopback: the Bot Connector, its login and keys, and what people do in their conversations. */
export interface TeamsServer extends StreamBehaviour {
  readonly url: string;
  readonly apiUrl: string;
  readonly loginUrl: string;
  readonly openIdUrl: string;
  readonly calls: readonly RecordedCall[];
  readonly faults: Fault[];
  readonly logins: number;
  readonly keyFetches: number;
  /** Requests of files, with the authorization that came with them. */
  readonly downloads: readonly { readonly path: string; readonly authorization: string | null }[];
  /** The next login is refused, or the next keys are. */
  trouble: 'login' | 'keys' | null;
  addApp(app: { appId: string; password: string; name: string; tenantId?: string }): TeamsApp;
  addConversation(
    seed: Pick<Conversation, 'id' | 'type' | 'tenantId'> & { apps: readonly string[] },
  ): Conversation;
  conversation(id: string): Conversation;
  addFile(path: string, content: Uint8Array, mediaType: string): string;
  /** An activity as Teams sends it to an app, without a signature. */
  activity(conversation: Conversation, appId: string, fields: Given): Given;
  /** The token that vouches for an activity. */
  sign(appId: string, activity: Given, claims?: Given): string;
  /** From now on tokens are signed by another key, which is published beside the old ones. */
  rotateKeys(endorsements?: readonly string[]): void;
  /** A person writes; each app in the conversation that is mentioned, or in a personal chat, is told. */
  say(conversationId: string, saying: Saying): Promise<Message>;
  /** Tells one app of anything, and answers with the HTTP status. */
  tell(appId: string, activity: Given): Promise<number>;
  /** A person presses a button below a message. */
  press(conversationId: string, messageId: string, title: string, from: Person): Promise<number>;
  /** A person presses Stop below what is being streamed; `false`: nothing is. */
  stopStream(conversationId: string): boolean;
  /** All access tokens are refused from now on, as when a password was changed. */
  revokeTokens(): void;
  /** From now on more than the platform's documents allow is refused, by this clock. */
  keepLimits(clock: () => number): void;
  close(): Promise<void>;
}

const REGION = 'emea';
const FIRST_ID = 1_700_000_000_000;
/** Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/rate-limit#per-bot-per-thread-limit */
const CONVERSATION: readonly WindowLimit[] = [
  { operations: 7, windowMs: 1_000 },
  { operations: 8, windowMs: 2_000 },
  { operations: 60, windowMs: 30_000 },
  { operations: 1_800, windowMs: 3_600_000 },
];

export async function startTeamsServer(): Promise<TeamsServer> {
  const apps = new Map<string, TeamsApp>();
  const conversations = new Map<string, Conversation>();
  const calls: RecordedCall[] = [];
  const faults: Fault[] = [];
  const downloads: { path: string; authorization: string | null }[] = [];
  const files = new Map<string, { content: Uint8Array; mediaType: string }>();
  const tokens = new Map<string, string>();
  const keys: { signer: RsaSigner; endorsements: readonly string[] }[] = [];
  let nextId = FIRST_ID;
  let limits: WindowLimits | null = null;
  let logins = 0;
  let keyFetches = 0;

  const rotateKeys = (endorsements: readonly string[] = ['msteams', 'skype']): void => {
    keys.push({ signer: createRsaSigner(`key-${keys.length + 1}`), endorsements });
  };
  rotateKeys();

  const http = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', url).pathname;
    const body = await readText(request);
    const answer = (status: number, value: unknown, headers: Record<string, string> = {}): void => {
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    };
    if (path === '/v1/.well-known/openidconfiguration')
      return answer(200, {
        issuer: 'https://api.botframework.com',
        jwks_uri: `${url}/v1/.well-known/keys`,
        id_token_signing_alg_values_supported: ['RS256'],
      });
    if (path === '/v1/.well-known/keys') {
      keyFetches += 1;
      if (server.trouble === 'keys') return answer(503, {});
      return answer(200, { keys: keys.map(({ signer, endorsements }) => ({ ...signer.jwk, endorsements })) });
    }
    const [, tenant] = /^\/([^/]+)\/oauth2\/v2\.0\/token$/.exec(path) ?? [];
    if (tenant !== undefined) return answer(...login(tenant, new URLSearchParams(body)));
    const file = files.get(path);
    if (file !== undefined) {
      downloads.push({ path, authorization: request.headers.authorization ?? null });
      return void response.writeHead(200, { 'content-type': file.mediaType }).end(file.content);
    }
    await connector(request, response, path, body, answer);
  }

  function login(tenant: string, form: URLSearchParams): [status: number, value: unknown] {
    logins += 1;
    const refusal = (status: number, error: string, code: number): [number, unknown] => [
      status,
      { error, error_description: `AADSTS${code}: refused.`, error_codes: [code] },
    ];
    if (server.trouble === 'login') return [503, {}];
    const app = apps.get(form.get('client_id') ?? '');
    if (form.get('grant_type') !== 'client_credentials') return refusal(400, 'unsupported_grant_type', 70003);
    if (form.get('scope') !== 'https://api.botframework.com/.default')
      return refusal(400, 'invalid_scope', 70011);
    if (app === undefined || tenant !== (app.tenantId ?? 'botframework.com'))
      return refusal(400, 'unauthorized_client', 700016);
    if (form.get('client_secret') !== app.password) return refusal(401, 'invalid_client', 7000215);
    const token = `access.${randomUUID()}`;
    tokens.set(token, app.appId);
    return [200, { token_type: 'Bearer', expires_in: 3599, ext_expires_in: 3599, access_token: token }];
  }

  async function connector(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    body: string,
    answer: (status: number, value: unknown, headers?: Record<string, string>) => void,
  ): Promise<void> {
    const [, region, conversationId, activityId] =
      /^\/(teams|emea)\/v3\/conversations\/([^/]+)\/activities(?:\/([^/]+))?$/.exec(path) ?? [];
    const method = request.method ?? '';
    try {
      const appId = tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
      if (appId === undefined) throw new ConnectorRefusal(401, '', '');
      if (region === undefined || conversationId === undefined)
        throw new ConnectorRefusal(404, 'NotFound', path);
      const activity = body === '' ? {} : (JSON.parse(body) as Given);
      const decoded = decodeURIComponent(conversationId);
      calls.push({ appId, method, region, conversationId: decoded, activity });
      const [entity] = (activity.entities ?? []) as readonly Given[];
      const fault = faults.find(
        (each) =>
          each.method === method &&
          each.remaining > 0 &&
          (each.streamType === undefined || each.streamType === entity?.streamType),
      );
      if (fault !== undefined) fault.remaining -= 1;
      if (fault?.kind === 'cut_before') return void response.destroy();
      if (fault?.kind === 'limit')
        return answer(429, {}, { 'retry-after': String(fault.retryAfterSeconds ?? 1) });
      if (fault?.kind === 'error') return answer(502, {});
      if (fault?.kind === 'precondition') return answer(412, {});
      const waitMs = limits?.take(`${appId} ${decoded.replace(/;messageid=.*/, '')}`) ?? 0;
      if (waitMs > 0) return answer(429, {}, { 'retry-after': String(Math.ceil(waitMs / 1_000)) });
      const [status, value] = perform(appId, method, decoded, activityId, activity);
      if (fault?.kind === 'cut_after') return void response.destroy();
      if (fault?.kind === 'silent_after') return;
      answer(status, value);
    } catch (error) {
      if (!(error instanceof ConnectorRefusal)) throw error;
      answer(error.status, error.body, error.status === 429 ? { 'retry-after': '1' } : {});
    }
  }

  function perform(
    appId: string,
    method: string,
    address: string,
    activityId: string | undefined,
    activity: Given,
  ): [number, unknown] {
    const [id = '', rootId = null] = address.split(';messageid=');
    const conversation = conversations.get(id);
    if (conversation === undefined)
      throw new ConnectorRefusal(404, 'ConversationNotFound', 'Conversation not found.');
    if (!conversation.roster.has(appId))
      throw new ConnectorRefusal(
        403,
        'BotNotInConversationRoster',
        'The bot is not part of the conversation roster.',
      );
    if (rootId !== null && (conversation.type !== 'channel' || !conversation.messages.has(rootId)))
      throw new ConnectorRefusal(404, 'ConversationNotFound', 'There is no such thread.');
    if (method === 'POST' && activityId === undefined) return post(conversation, appId, rootId, activity);
    const message = conversation.messages.get(activityId ?? '');
    if (message === undefined)
      throw new ConnectorRefusal(404, 'ActivityNotFoundInConversation', 'Activity not found.');
    if (message.from.id !== `28:${appId}`)
      throw new ConnectorRefusal(403, 'Forbidden', 'The activity is not the bot’s.');
    if (method === 'PUT' || method === 'DELETE') streams.change(message, method);
    if (method === 'DELETE') {
      conversation.messages.delete(message.id);
      return [200, {}];
    }
    if (
      method !== 'PUT' ||
      activity.type !== 'message' ||
      ![undefined, message.id].includes(activity.id as string)
    )
      throw new ConnectorRefusal(400, 'BadArgument', 'Nothing to update.');
    Object.assign(message, checkMessage(activity), { edits: message.edits + 1 });
    return [200, { id: message.id }];
  }

  function post(
    conversation: Conversation,
    appId: string,
    rootId: string | null,
    activity: Given,
  ): [number, unknown] {
    const from = { id: `28:${appId}`, name: apps.get(appId)?.name ?? '' };
    const streamed = streams.post(conversation, from, activity);
    if (streamed !== null) return streamed;
    if (activity.type === 'typing') {
      if (Object.keys(activity).length > 1)
        throw new ConnectorRefusal(400, 'BadSyntax', 'Typing says nothing.');
      conversation.typing += 1;
      return [201, { id: '' }];
    }
    if (activity.type !== 'message' || activity.id !== undefined)
      throw new ConnectorRefusal(400, 'BadSyntax', `Activity of type ${String(activity.type)}`);
    const message = add(conversation, from, rootId, checkMessage(activity));
    return [201, { id: message.id }];
  }

  function add(
    conversation: Conversation,
    from: Person,
    rootId: string | null,
    said: { text: string; shown: string; card: Card | null },
  ): Message {
    const id = String(nextId);
    nextId += 1;
    const isPost = conversation.type === 'channel' && rootId === null;
    const message: Message = { id, from, ...said, rootId: isPost ? id : rootId, edits: 0 };
    conversation.messages.set(id, message);
    return message;
  }

  function requireConversation(id: string): Conversation {
    const conversation = conversations.get(id);
    if (conversation === undefined) throw new Error(`There is no conversation ${id}.`);
    return conversation;
  }

  const server: TeamsServer = {
    streaming: 'allowed',
    streamUpdates: 'taken',
    streamDeletions: 'taken',
    maxStreamCharacters: Number.POSITIVE_INFINITY,
    aheadMs: 0,
    url,
    apiUrl: `${url}/teams`,
    loginUrl: url,
    openIdUrl: `${url}/v1/.well-known/openidconfiguration`,
    calls,
    faults,
    downloads,
    trouble: null,
    get logins() {
      return logins;
    },
    get keyFetches() {
      return keyFetches;
    },
    addApp({ appId, password, name, tenantId = null }) {
      const app: TeamsApp = { appId, password, name, tenantId, endpoint: null };
      apps.set(appId, app);
      return app;
    },
    addConversation({ id, type, tenantId, apps: roster }) {
      const messages = new Map<string, Message>();
      const conversation: Conversation = { id, type, tenantId, roster: new Set(roster), messages, typing: 0 };
      conversations.set(id, conversation);
      return conversation;
    },
    conversation: requireConversation,
    addFile(path, content, mediaType) {
      files.set(path, { content, mediaType });
      return `${url}${path}`;
    },
    activity(conversation, appId, fields) {
      const { id, type, tenantId } = conversation;
      return {
        timestamp: new Date(nextId).toISOString(),
        localTimestamp: new Date(nextId).toISOString(),
        channelId: 'msteams',
        serviceUrl: `${url}/${REGION}/`,
        conversation: {
          ...(type === 'personal' ? {} : { isGroup: true }),
          conversationType: type,
          tenantId,
          id,
        },
        recipient: { id: `28:${appId}`, name: apps.get(appId)?.name },
        entities: [{ type: 'clientInfo', locale: 'en-US', country: 'US', platform: 'Web' }],
        channelData: { tenant: { id: tenantId } },
        locale: 'en-US',
        ...fields,
      };
    },
    sign(appId, activity, claims = {}) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const { signer } = keys.at(-1) as (typeof keys)[number];
      return signer.token({
        serviceurl: activity.serviceUrl,
        nbf: nowSeconds - 60,
        exp: nowSeconds + 3_600,
        iss: 'https://api.botframework.com',
        aud: appId,
        ...claims,
      });
    },
    rotateKeys,
    async say(conversationId, { from, text = '', mentions = [], rootId, quotes, passesOn, fields = {} }) {
      const conversation = requireConversation(conversationId);
      const message = add(conversation, from, rootId ?? null, { text, shown: text, card: null });
      const told = [...conversation.roster].filter(
        (appId) => conversation.type === 'personal' || mentions.some(({ id }) => id === `28:${appId}`),
      );
      for (const appId of told) {
        const threaded =
          message.rootId === null ? conversation.id : `${conversation.id};messageid=${message.rootId}`;
        const base = server.activity(conversation, appId, {});
        const { conversation: place, entities } = base as { conversation: Given; entities: readonly Given[] };
        await server.tell(appId, {
          ...base,
          type: 'message',
          id: message.id,
          from: { ...from, aadObjectId: randomUUID() },
          // What is quoted is only a sign in the plain text, and what is passed on a part of it.
          text: [
            quotes && `<quoted messageId="${quotes.id}"/>`,
            text,
            passesOn && `\r\n\r\n${passesOn}`,
          ].join(''),
          textFormat: 'plain',
          attachments: [
            {
              contentType: 'text/html',
              content: `${quotes ? replyHtml(quotes) : ''}<p>${asHtml(text)}</p>${passesOn ? forwardHtml(passesOn) : ''}`,
            },
          ],
          conversation: { ...place, id: threaded },
          entities: [
            ...mentions.map((mentioned) => ({
              type: 'mention',
              mentioned,
              text: `<at>${mentioned.name}</at>`,
            })),
            ...entities,
            ...(quotes ? [quotedReply(quotes)] : []),
          ],
          ...fields,
        });
      }
      return message;
    },
    async tell(appId, activity) {
      const endpoint = apps.get(appId)?.endpoint ?? null;
      if (endpoint === null) throw new Error(`Nobody listens for ${appId}.`);
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: {
          'content-type': 'application/json; charset=utf-8',
          authorization: `Bearer ${server.sign(appId, activity)}`,
        },
        body: JSON.stringify(activity),
      });
      await response.arrayBuffer();
      return response.status;
    },
    async press(conversationId, messageId, title, from) {
      const conversation = requireConversation(conversationId);
      const message = conversation.messages.get(messageId);
      const action = message?.card?.actions.find((each) => each.title === title);
      if (message === undefined || action === undefined) throw new Error(`There is no button ${title}.`);
      const { msteams, ...value } = action.data as { msteams: { text: string; displayText: string } };
      const shown = { text: msteams.displayText, shown: msteams.displayText, card: null };
      const said = add(conversation, from, message.rootId, shown);
      const appId = message.from.id.slice(3);
      const base = server.activity(conversation, appId, {});
      const threaded =
        message.rootId === null ? conversation.id : `${conversation.id};messageid=${message.rootId}`;
      return server.tell(appId, {
        ...base,
        type: 'message',
        id: said.id,
        from,
        text: msteams.text,
        value,
        replyToId: messageId,
        conversation: { ...(base.conversation as Given), id: threaded },
      });
    },
    stopStream(conversationId) {
      const { messages } = requireConversation(conversationId);
      const open = [...messages.values()].find(({ stream }) => stream?.state === 'open');
      if (open?.stream !== undefined) open.stream.state = 'stopped';
      return open !== undefined;
    },
    revokeTokens: () => tokens.clear(),
    keepLimits: (clock) => {
      limits = createWindowLimits(CONVERSATION, clock);
    },
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
  const streams = createStandInStreams({
    behaviour: server,
    add: (conversation, from, text, stream: StreamState) =>
      Object.assign(add(conversation, from, null, { text, shown: text, card: null }), { stream }),
  });
  return server;
}

type Quotes = NonNullable<Saying['quotes']>;

/** As Teams writes a reply with a quotation and what is passed on in HTML, and names who is mentioned in it. */
function replyHtml({ from, id, text }: Quotes): string {
  return `<blockquote itemscope itemtype="http://schema.skype.com/Reply" itemid="${id}"><strong itemprop="mri" itemid="${from.id}">${from.name}</strong><span itemprop="time" itemid="${id}"></span><p itemprop="preview">${text}</p></blockquote>`;
}

function forwardHtml(text: string): string {
  return `<blockquote itemtype="http://schema.skype.com/Forward"><p>${text}</p></blockquote>`;
}

function asHtml(text: string): string {
  let place = 0;
  return text.replaceAll(/<at>([^<]*)<\/at>/g, (_tag, name: string) => {
    place += 1;
    return `<span itemtype="http://schema.skype.com/Mention" itemscope="" itemid="${place - 1}">${name}</span>`;
  });
}

function quotedReply({ from, id, text }: Quotes): Given {
  const quoted = { messageId: id, senderId: from.id, senderName: from.name, preview: text, time: id };
  return { type: 'quotedReply', quotedReply: { ...quoted, validatedMessageReference: true } };
}
