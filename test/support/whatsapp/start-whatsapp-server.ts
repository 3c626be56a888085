import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { createWindowLimits, type WindowLimit, type WindowLimits } from '../window-limits.ts';
import { checkMessage, onlyFields } from './check-message.ts';
import {
  type BusinessNumber,
  contactOf,
  createNumber,
  GraphRefusal,
  invalidParameter,
  type MediaFile,
  metadataOf,
  type NumberSeed,
  type Person,
  type Shown,
  signed,
} from './graph-world.ts';

/** What goes wrong with the next sends. `cut_after`: the work is done and the connection ends without an answer. */
export interface Fault {
  readonly kind:
    | 'limit'
    | 'pair_limit'
    | 'throughput'
    | 'error'
    | 'unavailable'
    | 'cut_after'
    | 'silent_after';
  readonly retryAfterSeconds?: number;
  remaining: number;
}

export interface RecordedCall {
  readonly token: string;
  readonly method: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** WhatsApp's Cloud API on loopback: Graph, what people do in their chats, and the webhooks that tell of it. */
export interface WhatsAppServer {
  /** With the version. */
  readonly apiUrl: string;
  readonly calls: readonly RecordedCall[];
  readonly faults: Fault[];
  /** What numbers sent, in order. */
  readonly shown: readonly Shown[];
  number(phoneNumberId: string): BusinessNumber;
  /** Enters an address at Meta, which checks it. Resolves to whether it was taken. */
  subscribe(phoneNumberId: string, url: string, verifyToken: string): Promise<boolean>;
  /** A person writes; resolves to the message's id when the webhook has taken it. */
  say(phoneNumberId: string, person: Person, text: string): Promise<string>;
  /** A person swipes a message and writes to it. WhatsApp says whose it was and its id, and not what stands in it. */
  reply(phoneNumberId: string, person: Person, repliesTo: string, text: string): Promise<string>;
  /** A person does something else: the fields of the message beside who, when and which. */
  send(phoneNumberId: string, person: Person, message: Readonly<Record<string, unknown>>): Promise<string>;
  /** Posts changes of several numbers as one request, signed by the app of the first. */
  post(url: string, changes: readonly Change[], appSecret?: string): Promise<number>;
  messageChange(phoneNumberId: string, person: Person, message: Readonly<Record<string, unknown>>): Change;
  /** A file as people have sent it. Returns its id. */
  addFile(file: MediaFile): string;
  file(id: string): MediaFile | undefined;
  /** Where files are fetched from; by default the stand-in itself. */
  mediaOrigin: string;
  /** Whether people's phones answer at once with `sent`. */
  sendsStatuses: boolean;
  /** Waits before it says what became of the messages that it accepts from now on. */
  beforeStatuses: () => Promise<void>;
  /** Resolves when all statuses so far have been taken. */
  settled(): Promise<void>;
  /** From now on more than the platform's documents allow is refused, by this clock. */
  keepLimits(clock: () => number): void;
  close(): Promise<void>;
}

export interface Change {
  readonly phoneNumberId: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const VERSION = 'v26.0';
const APP_ID = '670843887433847';
const DAY_MS = 24 * 3_600_000;
const UPLOADABLE =
  /^(?:image\/(?:jpeg|png|webp)|audio\/(?:aac|amr|mpeg|mp4|ogg)|video\/(?:mp4|3gpp)|text\/plain|application\/(?:pdf|msword|vnd\.ms-(?:excel|powerpoint)|vnd\.openxmlformats-officedocument\.[a-z.]+))$/;
const REDELIVER_MS = 50;
/**
 * To one person a message every 6 seconds, and 45 at once that are borrowed from the time after: what that leaves in 6
 * seconds and in ten minutes. Source: https://developers.facebook.com/docs/whatsapp/cloud-api/overview#pair-rate-limits
 */
const PAIR: readonly WindowLimit[] = [
  { operations: 45, windowMs: 6_000 },
  { operations: 145, windowMs: 600_000 },
];
/** Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput */
const NUMBER: readonly WindowLimit[] = [{ operations: 80, windowMs: 1_000 }];

export async function startWhatsAppServer(seeds: readonly NumberSeed[]): Promise<WhatsAppServer> {
  const numbers = new Map(seeds.map((seed) => [seed.phoneNumberId, createNumber(seed)]));
  const files = new Map<string, MediaFile>();
  const calls: RecordedCall[] = [];
  const faults: Fault[] = [];
  let limits: { readonly pair: WindowLimits; readonly number: WindowLimits } | null = null;
  const shown: Shown[] = [];
  const posting = new Set<Promise<unknown>>();
  let counter = 0;
  let closed = false;

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin);
    const content = await buffer(request);
    const token = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const answer = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers });
      response.end(JSON.stringify(body));
    };
    if (url.pathname === '/media') return sendMedia(url, token, response);
    const isJson = request.headers['content-type'] === 'application/json';
    const body = isJson ? (JSON.parse(content.toString('utf8')) as RecordedCall['body']) : {};
    const [, version = '', first = '', edge = ''] = url.pathname.split('/');
    calls.push({
      token,
      method: request.method ?? '',
      path: `/${[first, edge].filter(Boolean).join('/')}`,
      body,
    });
    try {
      if (version !== VERSION) throw new GraphRefusal(400, 2635, 'You are calling a deprecated version', '');
      const number = authorised(token);
      if (request.method === 'GET' && first === 'debug_token') return answer(200, debugToken(number, url));
      if (request.method === 'GET' && first === accountOf(number))
        return answer(200, readAccount(number, edge));
      if (request.method === 'GET' && edge === '') return answer(200, read(number, first, url));
      // Another business's number looks as if it were none.
      if (request.method !== 'POST' || first !== number.phoneNumberId) throw noObject(first);
      if (edge === 'media') return answer(200, await upload(request, content));
      if (edge !== 'messages') throw noObject(`${first}/${edge}`);
      if (!number.scopes.includes('whatsapp_business_messaging')) throw noPermission();
      if (body.status !== undefined) return answer(200, markRead(number, body));
      const fault = takeFault();
      if (fault !== null) throwFault(fault);
      const to = String(body.to ?? body.recipient);
      if ((limits?.pair.take(`${first} ${to}`) ?? 0) > 0) throwFault({ kind: 'pair_limit', remaining: 0 });
      if ((limits?.number.take(first) ?? 0) > 0) throwFault({ kind: 'throughput', remaining: 0 });
      const result = accept(number, body);
      if (fault?.kind === 'cut_after') return void response.destroy();
      if (fault?.kind === 'silent_after') return;
      answer(200, result);
    } catch (error) {
      if (!(error instanceof GraphRefusal)) throw error;
      answer(error.status, error.toJson(), error.headers);
    }
  }

  function authorised(token: string): BusinessNumber {
    const number = [...numbers.values()].find((each) => each.token === token);
    if (number === undefined || number.revoked) {
      throw new GraphRefusal(401, 190, 'Invalid OAuth access token', 'Error validating access token', {
        subcode: 463,
      });
    }
    return number;
  }

  function takeFault(): Fault | null {
    const fault = faults.find(({ remaining }) => remaining > 0);
    if (fault === undefined) return null;
    fault.remaining -= 1;
    return fault;
  }

  function throwFault({ kind, retryAfterSeconds = 60 }: Fault): void {
    switch (kind) {
      case 'limit': {
        const minutes = Math.ceil(retryAfterSeconds / 60);
        const usage = {
          '1': [{ type: 'whatsapp', call_count: 100, estimated_time_to_regain_access: minutes }],
        };
        throw new GraphRefusal(
          400,
          80007,
          'Rate limit issues',
          'The WhatsApp Business Account has reached its rate limit.',
          {
            headers: { 'x-business-use-case-usage': JSON.stringify(usage) },
          },
        );
      }
      case 'pair_limit':
        throw new GraphRefusal(
          400,
          131056,
          '(Business Account, Consumer Account) pair rate limit hit',
          'Too many messages sent from the sender phone number to the same recipient phone number in a short period of time.',
        );
      case 'throughput':
        throw new GraphRefusal(
          429,
          130429,
          'Rate limit hit',
          'Message failed to send because there were too many messages sent from this phone number in a short period of time.',
        );
      case 'error':
        throw new GraphRefusal(500, 131000, 'Something went wrong', 'Something went wrong.');
      case 'unavailable':
        throw new GraphRefusal(500, 131016, 'Service unavailable', 'A service is temporarily unavailable.');
      default:
    }
  }

  function accept(number: BusinessNumber, given: RecordedCall['body']): unknown {
    const { person, to, body, marker } = checkMessage(given, number, files);
    counter += 1;
    const id = `wamid.HBgL${Buffer.from(`${number.phoneNumberId} out ${counter}`).toString('base64')}`;
    const heardMs = number.lastHeardMs.get(person.userId);
    const isFree = given.type !== 'template';
    const isLate = isFree && (heardMs === undefined || Date.now() - heardMs > DAY_MS);
    if (given.type === 'reaction') number.reactions.set(String(body.message_id), String(body.emoji));
    else if (!isLate) shown.push({ id, phoneNumberId: number.phoneNumberId, to, body, marker });
    const errors = [
      {
        code: 131047,
        title: 'Re-engagement message',
        message: 'Re-engagement message',
        error_data: {
          details:
            'Message failed to send because more than 24 hours have passed since the customer last replied to this number.',
        },
        href: 'https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/',
      },
    ];
    if (sendsStatuses) {
      const { phone, userId } = person;
      const status = {
        id,
        status: isLate ? 'failed' : 'sent',
        timestamp: String(Math.floor(Date.now() / 1000)),
        ...(given.to === undefined ? {} : { recipient_id: phone }),
        ...(isLate ? { errors } : { recipient_user_id: userId }),
        ...(marker === null ? {} : { biz_opaque_callback_data: marker }),
      };
      const statuses = isLate ? [status] : [status, { ...status, status: 'delivered' }];
      const ready = beforeStatuses;
      later(async () => {
        await ready();
        await deliver(number, { statuses });
      });
    }
    const contact = given.to === undefined ? { input: to, user_id: to } : { input: to, wa_id: person.phone };
    return { messaging_product: 'whatsapp', contacts: [contact], messages: [{ id }] };
  }

  function markRead(number: BusinessNumber, body: RecordedCall['body']): unknown {
    onlyFields(body, ['messaging_product', 'status', 'message_id', 'typing_indicator'], 'status');
    if (body.status !== 'read') throw invalidParameter('Invalid status');
    if (!number.incoming.has(String(body.message_id))) throw invalidParameter('Message ID does not exist');
    if (JSON.stringify(body.typing_indicator ?? { type: 'text' }) !== '{"type":"text"}') {
      throw invalidParameter('Invalid typing_indicator');
    }
    if (body.typing_indicator !== undefined) number.typing.push(String(body.message_id));
    return { success: true };
  }

  function read(number: BusinessNumber, id: string, url: URL): unknown {
    if (id === number.phoneNumberId) {
      const all: Readonly<Record<string, unknown>> = {
        id,
        display_phone_number: number.displayNumber,
        verified_name: number.verifiedName,
        quality_rating: number.qualityRating,
        status: number.status,
        webhook_configuration: { application: number.webhookUrl },
      };
      const fields = (url.searchParams.get('fields') ?? 'id').split(',');
      return Object.fromEntries(fields.map((field) => [field, all[field]]));
    }
    const file = files.get(id);
    if (
      file === undefined ||
      (url.searchParams.get('phone_number_id') ?? number.phoneNumberId) !== number.phoneNumberId
    )
      throw noObject(id);
    return {
      messaging_product: 'whatsapp',
      url: `${mediaOrigin}/media?mid=${id}`,
      mime_type: file.mediaType,
      sha256: createHash('sha256').update(file.content).digest('hex'),
      file_size: String(file.content.length),
      id,
    };
  }

  function debugToken(number: BusinessNumber, url: URL): unknown {
    if (url.searchParams.get('input_token') !== number.token)
      throw new GraphRefusal(400, 100, 'You must provide an app access token, or a token of the app', '');
    const granted = number.scopes.filter((scope) => scope.startsWith('whatsapp_'));
    return {
      data: {
        app_id: APP_ID,
        type: 'SYSTEM_USER',
        application: 'Acme',
        expires_at: number.tokenExpiresAt,
        is_valid: true,
        scopes: number.scopes,
        granular_scopes: granted.map((scope) => ({ scope, target_ids: [accountOf(number)] })),
        user_id: '122100',
      },
    };
  }

  function readAccount(number: BusinessNumber, edge: string): unknown {
    if (!number.scopes.includes('whatsapp_business_management')) throw noPermission();
    if (edge === 'phone_numbers') return { data: [{ id: number.phoneNumberId }] };
    if (edge !== 'subscribed_apps') throw noObject(edge);
    const app = { link: 'https://acme.example', name: 'Acme', id: APP_ID };
    return { data: number.isSubscribed ? [{ whatsapp_business_api_data: app }] : [] };
  }

  function noPermission(): GraphRefusal {
    return new GraphRefusal(403, 10, 'Application does not have permission for this action', '');
  }

  function sendMedia(url: URL, token: string, response: ServerResponse): void {
    const file = files.get(url.searchParams.get('mid') ?? '');
    const isKnown = [...numbers.values()].some((number) => number.token === token && !number.revoked);
    if (file === undefined || !isKnown) {
      response.writeHead(isKnown ? 404 : 401).end();
      return;
    }
    response.writeHead(200, { 'content-type': file.mediaType }).end(file.content);
  }

  async function upload(request: IncomingMessage, content: Buffer): Promise<unknown> {
    const form = await new Response(new Uint8Array(content), {
      headers: { 'content-type': request.headers['content-type'] ?? '' },
    }).formData();
    if (form.get('messaging_product') !== 'whatsapp') throw invalidParameter('messaging_product is required');
    const file = form.get('file');
    if (!(file instanceof File)) throw invalidParameter('file is required');
    if (!UPLOADABLE.test(file.type)) {
      throw invalidParameter(
        `Param file must be a file with one of the following types; received ${file.type}`,
      );
    }
    const max = file.type.startsWith('image/') ? 5 : /^(?:audio|video)\//.test(file.type) ? 16 : 100;
    if (file.size > max * 1024 * 1024)
      throw new GraphRefusal(400, 131053, 'Media upload error', 'File is too large');
    return { id: addFile({ content: Buffer.from(await file.arrayBuffer()), mediaType: file.type }) };
  }

  function addFile(file: MediaFile): string {
    counter += 1;
    const id = String(1_000_000 + counter);
    files.set(id, file);
    return id;
  }

  function noObject(id: string): GraphRefusal {
    return new GraphRefusal(
      400,
      100,
      `Unsupported request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions`,
      '',
      { subcode: 33 },
    );
  }

  function envelope(changes: readonly Change[]): string {
    const entry = changes.map(({ phoneNumberId, value }) => ({
      id: accountOf({ phoneNumberId }),
      changes: [
        {
          value: {
            messaging_product: 'whatsapp',
            metadata: metadataOf(requireNumber(phoneNumberId)),
            ...value,
          },
          field: 'messages',
        },
      ],
    }));
    return JSON.stringify({ object: 'whatsapp_business_account', entry });
  }

  /** Posts a change until it is taken, as Meta does for days. */
  async function deliver(number: BusinessNumber, value: Change['value']): Promise<void> {
    const body = envelope([{ phoneNumberId: number.phoneNumberId, value }]);
    for (;;) {
      const url = number.webhookUrl;
      if (closed || url === '') return;
      if ((await postBody(url, body, number.appSecret)) === 200) return;
      await new Promise((resolve) => setTimeout(resolve, REDELIVER_MS));
    }
  }

  async function postBody(url: string, body: string, appSecret: string): Promise<number> {
    try {
      const response = await fetch(url, { method: 'POST', headers: signed(body, appSecret), body });
      await response.arrayBuffer();
      return response.status;
    } catch {
      return 0;
    }
  }

  function later(work: () => Promise<unknown>): void {
    const done = new Promise((resolve) => setTimeout(resolve, 5)).then(work);
    posting.add(done);
    void done.finally(() => posting.delete(done));
  }

  function requireNumber(phoneNumberId: string): BusinessNumber {
    const number = numbers.get(phoneNumberId);
    if (number === undefined) throw new Error(`There is no number ${phoneNumberId}.`);
    return number;
  }

  function messageChange(
    phoneNumberId: string,
    person: Person,
    message: Readonly<Record<string, unknown>>,
  ): Change & { readonly id: string } {
    const number = requireNumber(phoneNumberId);
    const id = String(message.id ?? `wamid.HBgL${randomBytes(18).toString('base64')}`);
    number.incoming.add(id);
    number.lastHeardMs.set(person.userId, Date.now());
    if (!number.people.includes(person)) number.people.push(person);
    const { phone, userId } = person;
    const whole = {
      ...(phone === undefined ? {} : { from: phone }),
      from_user_id: userId,
      id,
      timestamp: String(Math.floor(Date.now() / 1000)),
      ...message,
    };
    return { phoneNumberId, id, value: { contacts: [contactOf(person)], messages: [whole] } };
  }

  async function send(
    phoneNumberId: string,
    person: Person,
    message: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const { id, value } = messageChange(phoneNumberId, person, message);
    await deliver(requireNumber(phoneNumberId), value);
    return id;
  }

  let mediaOrigin = origin;
  let sendsStatuses = true;
  let beforeStatuses = async (): Promise<void> => {};
  return {
    apiUrl: `${origin}/${VERSION}`,
    calls,
    faults,
    shown,
    keepLimits: (clock) => {
      limits = { pair: createWindowLimits(PAIR, clock), number: createWindowLimits(NUMBER, clock) };
    },
    number: requireNumber,
    async subscribe(phoneNumberId, url, verifyToken) {
      const challenge = String(1_000_000_000 + counter);
      const query = new URLSearchParams({
        'hub.mode': 'subscribe',
        'hub.challenge': challenge,
        'hub.verify_token': verifyToken,
      });
      const response = await fetch(`${url}?${query}`);
      const isTaken = response.status === 200 && (await response.text()) === challenge;
      if (isTaken) requireNumber(phoneNumberId).webhookUrl = url;
      return isTaken;
    },
    say: (phoneNumberId, person, text) => send(phoneNumberId, person, { type: 'text', text: { body: text } }),
    reply(phoneNumberId, person, repliesTo, text) {
      const number = requireNumber(phoneNumberId);
      const isTheirs = number.incoming.has(repliesTo);
      const from = isTheirs ? person.phone : number.displayNumber.replaceAll(/\D/g, '');
      const context = { from, id: repliesTo };
      return send(phoneNumberId, person, { type: 'text', text: { body: text }, context });
    },
    send,
    messageChange,
    post: (url, changes, appSecret = requireNumber(changes[0]?.phoneNumberId ?? '').appSecret) =>
      postBody(url, envelope(changes), appSecret),
    addFile,
    file: (id) => files.get(id),
    get mediaOrigin() {
      return mediaOrigin;
    },
    set mediaOrigin(value) {
      mediaOrigin = value;
    },
    get beforeStatuses() {
      return beforeStatuses;
    },
    set beforeStatuses(value) {
      beforeStatuses = value;
    },
    get sendsStatuses() {
      return sendsStatuses;
    },
    set sendsStatuses(value) {
      sendsStatuses = value;
    },
    async settled() {
      while (posting.size > 0) await Promise.all(posting);
    },
    async close() {
      closed = true;
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** The WhatsApp Business account that the number belongs to. */
function accountOf({ phoneNumberId }: Pick<BusinessNumber, 'phoneNumberId'>): string {
  return `9${phoneNumberId}`;
}
