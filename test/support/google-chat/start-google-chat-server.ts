import { createPublicKey, randomUUID, verify as verifySignature } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { createRsaSigner, type RsaSigner } from '../rsa-signer.ts';
import { createWindowLimits, type WindowLimit, type WindowLimits } from '../window-limits.ts';
import { callChatApi, wire } from './chat-api-methods.ts';
import { ApiRefusal, type ChatApp, type Message, type Space, type User } from './google-chat-world.ts';

type Given = Readonly<Record<string, unknown>>;

export interface RecordedCall {
  readonly projectNumber: string;
  readonly method: string;
  readonly path: string;
  readonly body: Given;
}

/** What goes wrong with the next calls. `cut_after`: the work is done and the connection ends without an answer. */
export interface Fault {
  readonly method: 'POST' | 'PATCH' | 'GET' | 'DELETE';
  readonly kind: 'limit' | 'error' | 'cut_after' | 'cut_before' | 'silent_after';
  readonly retryAfterSeconds?: number;
  remaining: number;
}

export interface Saying {
  readonly from: User;
  /** With `@name` for each of `mentions`. */
  readonly text: string;
  readonly mentions?: readonly User[];
  readonly threadId?: string;
  /** A message that it replies to with a quotation, or passes on. */
  readonly quotes?: { readonly message: Message; readonly type: 'REPLY' | 'FORWARD' };
  /** Further fields of the message. */
  readonly fields?: Given;
}

/** Google Chat on loopback: the API, Google's keys and tokens, and what people do in their spaces. */
export interface GoogleChatServer {
  readonly url: string;
  readonly apiUrl: string;
  readonly certsUrl: string;
  readonly tokenUrl: string;
  readonly calls: readonly RecordedCall[];
  readonly faults: Fault[];
  readonly logins: number;
  trouble: 'login' | 'keys' | null;
  addApp(projectNumber: string, name: string): ChatApp;
  addSpace(id: string, type: Space['type'], apps: readonly string[]): Space;
  space(id: string): Space;
  addMedia(resourceName: string, content: Uint8Array, mediaType: string): void;
  /** The token that vouches for a request to an app. */
  sign(app: ChatApp, claims?: Given): string;
  /** A message as Chat tells an app of it. */
  messageEvent(app: ChatApp, space: Space, message: Message, saying: Saying): Given;
  /** A person writes; each app that is mentioned, or in a direct message, is told. */
  say(spaceId: string, saying: Saying): Promise<Message>;
  /** Tells an app of anything, and answers with the HTTP status and the body. */
  tell(app: ChatApp, event: Given): Promise<{ readonly status: number; readonly body: string }>;
  press(spaceId: string, messageId: string, text: string, from: User): Promise<number>;
  revokeTokens(): void;
  /** From now on more than the platform's documents allow is refused, by this clock. */
  keepLimits(clock: () => number): void;
  close(): Promise<void>;
}

const CHAT = 'chat@system.gserviceaccount.com';
/** Of all apps in a space. Source: https://developers.google.com/workspace/chat/limits */
const SPACE_WRITES: readonly WindowLimit[] = [{ operations: 1, windowMs: 1_000 }];
const LOGIN_SCOPE = 'https://www.googleapis.com/auth/chat.bot';

export async function startGoogleChatServer(): Promise<GoogleChatServer> {
  const apps = new Map<string, ChatApp>();
  const spaces = new Map<string, Space>();
  const media = new Map<string, { content: Uint8Array; mediaType: string }>();
  const tokens = new Map<string, ChatApp>();
  const calls: RecordedCall[] = [];
  const faults: Fault[] = [];
  const chatKey = createRsaSigner('chat-1');
  const identityKey = createRsaSigner('identity-1');
  let limits: WindowLimits | null = null;
  let logins = 0;
  let nextId = 1;

  const http = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = new URL(request.url ?? '/', url);
    const body = await readText(request);
    const answer = (status: number, value: unknown, headers: Record<string, string> = {}): void => {
      response
        .writeHead(status, { 'content-type': 'application/json', ...headers })
        .end(JSON.stringify(value));
    };
    const path = decodeURIComponent(target.pathname);
    if (server.trouble === 'keys' && /jwk|certs/.test(path)) return answer(503, {});
    if (path === `/service_accounts/v1/jwk/${CHAT}`) return answer(200, { keys: [chatKey.jwk] });
    if (path === '/oauth2/v3/certs') return answer(200, { keys: [identityKey.jwk] });
    if (path === '/token') return answer(...login(new URLSearchParams(body)));
    const app = tokens.get(/^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '');
    if (app === undefined)
      return answer(401, {
        error: { code: 401, status: 'UNAUTHENTICATED', message: 'Invalid credentials.' },
      });
    const file = media.get(path.replace(/^\/v1\/media\//, ''));
    if (file !== undefined && target.searchParams.get('alt') === 'media')
      return void response.writeHead(200, { 'content-type': file.mediaType }).end(file.content);
    const method = request.method ?? '';
    const given = body === '' ? {} : (JSON.parse(body) as Given);
    calls.push({ projectNumber: app.projectNumber, method, path, body: given });
    const fault = faults.find((each) => each.method === method && each.remaining > 0);
    if (fault !== undefined) fault.remaining -= 1;
    if (fault?.kind === 'cut_before') return void response.destroy();
    if (fault?.kind === 'error') return answer(503, {});
    const [, spaceId = null] = /^\/v1\/spaces\/([^/]+)\//.exec(path) ?? [];
    const isOver = method !== 'GET' && spaceId !== null && (limits?.take(spaceId) ?? 0) > 0;
    if (fault?.kind === 'limit' || isOver) {
      const error = { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'Quota exceeded.' };
      return answer(429, { error }, { 'retry-after': String(fault?.retryAfterSeconds ?? 1) });
    }
    try {
      const call = { method, path: path.replace(/^\/v1\//, ''), query: target.searchParams, body: given };
      const result = callChatApi({ app, spaces, add }, call);
      if (fault?.kind === 'cut_after') return void response.destroy();
      if (fault?.kind === 'silent_after') return;
      answer(200, result);
    } catch (error) {
      if (!(error instanceof ApiRefusal)) throw error;
      const { code, status, message } = error;
      answer(code, { error: { code, status, message } });
    }
  }

  /** Checks the assertion as Google does: signed by the account's key, for this address, not expired. */
  function login(form: URLSearchParams): [status: number, value: unknown] {
    logins += 1;
    if (server.trouble === 'login') return [503, {}];
    const refusal = (error: string): [number, unknown] => [400, { error, error_description: 'Refused.' }];
    if (form.get('grant_type') !== 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      return refusal('unsupported_grant_type');
    const [head = '', payload = '', signature = ''] = (form.get('assertion') ?? '').split('.');
    const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8')) as Given;
    const claims = read(payload);
    const app = [...apps.values()].find(({ email }) => email === claims.iss);
    if (app === undefined || read(head).alg !== 'RS256') return refusal('invalid_grant');
    const key = createPublicKey({ key: { ...app.key.jwk }, format: 'jwk' });
    const isSigned = verifySignature(
      'RSA-SHA256',
      Buffer.from(`${head}.${payload}`),
      key,
      Buffer.from(signature, 'base64url'),
    );
    const now = Date.now() / 1000;
    const isTimely = Number(claims.iat) <= now + 60 && Number(claims.exp) > now;
    const isShort = Number(claims.exp) - Number(claims.iat) <= 3_600;
    if (!isSigned || !isTimely || !isShort || claims.aud !== `${url}/token`) return refusal('invalid_grant');
    if (claims.scope !== LOGIN_SCOPE) return refusal('invalid_scope');
    const token = `ya29.${randomUUID()}`;
    tokens.set(token, app);
    return [200, { access_token: token, expires_in: 3599, token_type: 'Bearer' }];
  }

  function add(
    space: Space,
    said: Omit<Message, 'id' | 'edits' | 'isReply' | 'threadId'>,
    threadId: string | null,
  ): Message {
    const own = `T${nextId}`;
    const id = `${threadId ?? own}.M${nextId}`;
    nextId += 1;
    const message: Message = { ...said, id, threadId: threadId ?? own, isReply: threadId !== null, edits: 0 };
    space.messages.set(id, message);
    return message;
  }

  function requireSpace(id: string): Space {
    const space = spaces.get(id);
    if (space === undefined) throw new Error(`There is no space ${id}.`);
    return space;
  }

  /** The older form, or that of a Workspace add-on. */
  function eventFor(app: ChatApp, type: string, user: User, payload: Given, parameters?: Given): Given {
    const eventTime = `2026-01-01T00:00:00.${String(nextId).padStart(6, '0')}Z`;
    if (app.isAddOn) {
      const fields = { MESSAGE: 'messagePayload', CARD_CLICKED: 'buttonClickedPayload' } as Given;
      const field = String(fields[type] ?? 'removedFromSpacePayload');
      return {
        commonEventObject: { hostApp: 'CHAT', userLocale: 'en', parameters },
        authorizationEventObject: { systemIdToken: 'x' },
        chat: { user, eventTime, [field]: payload },
      };
    }
    const action = parameters && {
      actionMethodName: 'choose',
      parameters: Object.entries(parameters).map(([key, value]) => ({ key, value })),
    };
    return { type, eventTime, user, ...payload, ...(action && { action, common: { parameters } }) };
  }

  const wireSpace = ({ id, type }: Space): Given => ({
    name: `spaces/${id}`,
    type: type === 'DIRECT_MESSAGE' ? 'DM' : 'ROOM',
    spaceType: type,
    spaceThreadingState: type === 'SPACE' ? 'THREADED_MESSAGES' : 'UNTHREADED_MESSAGES',
    ...(type === 'DIRECT_MESSAGE' ? { singleUserBotDm: true } : { displayName: 'Support' }),
  });

  const server: GoogleChatServer = {
    url,
    apiUrl: url,
    certsUrl: url,
    tokenUrl: `${url}/token`,
    calls,
    faults,
    trouble: null,
    get logins() {
      return logins;
    },
    addApp(projectNumber, name) {
      const key = createRsaSigner(`key-of-${projectNumber}`);
      const email = `chat@project-${projectNumber}.iam.gserviceaccount.com`;
      const serviceAccount = JSON.stringify({
        type: 'service_account',
        project_id: `project-${projectNumber}`,
        private_key_id: key.keyId,
        private_key: key.privatePem,
        client_email: email,
        token_uri: 'https://evil.example/token',
      });
      const user: User = { name: `users/${projectNumber}1`, displayName: name, type: 'BOT' };
      const app = { projectNumber, user, email, key, serviceAccount, audience: projectNumber };
      const added: ChatApp = { ...app, endpoint: null, isAddOn: false };
      apps.set(projectNumber, added);
      return added;
    },
    addSpace(id, type, members) {
      const space: Space = { id, type, apps: new Set(members), messages: new Map() };
      spaces.set(id, space);
      return space;
    },
    space: requireSpace,
    addMedia: (resourceName, content, mediaType) => media.set(resourceName, { content, mediaType }),
    sign({ audience, projectNumber, isAddOn }, claims = {}) {
      const nowSeconds = Math.floor(Date.now() / 1000);
      const times = { iat: nowSeconds - 60, exp: nowSeconds + 3_600 };
      const isNumber = /^\d+$/.test(audience);
      const signer: RsaSigner = isNumber ? chatKey : identityKey;
      if (isNumber) return signer.token({ iss: CHAT, aud: audience, ...times, ...claims });
      const email = isAddOn ? `service-${projectNumber}@gcp-sa-gsuiteaddons.iam.gserviceaccount.com` : CHAT;
      const who = { iss: 'https://accounts.google.com', aud: audience, email, email_verified: true };
      return signer.token({ ...who, ...times, ...claims });
    },
    messageEvent(app, space, message, { from, text, mentions = [], quotes, fields = {} }) {
      const annotations = mentions.map((user) => {
        const startIndex = text.indexOf(`@${user.displayName}`);
        const length = user.displayName.length + 1;
        return { type: 'USER_MENTION', startIndex, length, userMention: { user, type: 'MENTION' } };
      });
      const told = {
        ...wire(space, message),
        threadReply: message.isReply,
        argumentText: text.replaceAll(`@${app.user.displayName}`, ''),
        ...(annotations.length === 0 ? {} : { annotations }),
        ...(quotes === undefined ? {} : { quotedMessageMetadata: quotedMetadata(space, quotes) }),
        ...fields,
      };
      return eventFor(app, 'MESSAGE', from, { space: wireSpace(space), message: told });
    },
    async say(spaceId, saying) {
      const space = requireSpace(spaceId);
      const { from, text, mentions = [], threadId = null } = saying;
      const said = { sender: from, clientId: null, text, cards: [], viewer: null };
      const message = add(space, said, threadId);
      for (const projectNumber of space.apps) {
        const app = apps.get(projectNumber) as ChatApp;
        const isTold = space.type === 'DIRECT_MESSAGE' || mentions.some(({ name }) => name === app.user.name);
        if (isTold) await server.tell(app, server.messageEvent(app, space, message, saying));
      }
      return message;
    },
    async tell(app, event) {
      if (app.endpoint === null) throw new Error(`Nobody listens for ${app.projectNumber}.`);
      const response = await fetch(app.endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${server.sign(app)}` },
        body: JSON.stringify(event),
      });
      return { status: response.status, body: await response.text() };
    },
    async press(spaceId, messageId, text, from) {
      const space = requireSpace(spaceId);
      const message = space.messages.get(messageId) as Message;
      const app = [...apps.values()].find(({ user }) => user.name === message.sender.name) as ChatApp;
      const found = JSON.stringify(message.cards).match(/"key":"(\w+)","value":"([^"]+)"/g) ?? [];
      const pair = found.map((each) => JSON.parse(`{${each}}`) as { key: string; value: string });
      const { key, value } = pair.find((each) => each.value === text) as { key: string; value: string };
      const payload = { space: wireSpace(space), message: wire(space, message) };
      return (await server.tell(app, eventFor(app, 'CARD_CLICKED', from, payload, { [key]: value }))).status;
    },
    revokeTokens: () => tokens.clear(),
    keepLimits: (clock) => {
      limits = createWindowLimits(SPACE_WRITES, clock);
    },
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
  return server;
}

/** What a message quotes, with the author's name and not with their id; files and formatting only of what is passed on. */
function quotedMetadata(space: Space, { message, type }: NonNullable<Saying['quotes']>): Given {
  const { name, createTime } = wire(space, message) as { name: string; createTime: string };
  const { sender, text } = message;
  const forwarded = { formattedText: text, annotations: [], attachments: [] };
  return {
    name,
    lastUpdateTime: createTime,
    quoteType: type,
    quotedMessageSnapshot: { sender: sender.displayName, text, ...(type === 'FORWARD' && forwarded) },
    ...(type === 'FORWARD' && { forwardedMetadata: { space: 'spaces/OTHER', spaceDisplayName: 'Sales' } }),
  };
}
