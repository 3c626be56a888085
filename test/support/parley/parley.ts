import type {
  Channel,
  ChannelCapabilities,
  ChannelRequest,
  ParsedRequest,
} from '../../../src/core/channel.ts';
import type { ChannelDefinition } from '../../../src/core/channel-definition.ts';
import type { ActionEvent, ChannelEvent } from '../../../src/core/channel-event.ts';
import { KonstructError } from '../../../src/core/errors.ts';
import type {
  DeliveryMarker,
  MessageAuthor,
  OutboundMessage,
  ThreadTarget,
} from '../../../src/core/outbound.ts';

export const PARLEY_SECRET = 'parley-secret';
export const PARLEY_AGENT = 'PAGENT';

/** What stands on the platform. */
export interface ParleyMessage {
  readonly messageId: string;
  readonly target: ThreadTarget;
  readonly markdown: string;
  readonly choices: readonly string[];
  readonly author: MessageAuthor | null;
  readonly deliveryId: string;
  readonly file: { readonly name: string; readonly mediaType: string; readonly content: Buffer } | null;
}

export type ParleyOperation = 'post' | 'edit' | 'upload' | 'typing' | 'react' | 'fetchFile';
/** `lost`: it does its work and nobody learns of it; `vanished`: the same, and it does nothing. */
export type ParleyTrouble = 'rejected' | 'away' | 'lost' | 'vanished';

/** A platform in this process that can do all that the contract knows, or as much of it as a test says. */
export interface Parley {
  readonly definition: ChannelDefinition;
  readonly messages: ReadonlyMap<string, ParleyMessage>;
  readonly calls: readonly { readonly operation: ParleyOperation; readonly atMs: number }[];
  readonly reactions: readonly { readonly messageId: string; readonly emoji: string }[];
  readonly acknowledged: readonly ActionEvent[];
  /** What can be fetched, by id. */
  readonly files: Map<
    string,
    { readonly mediaType: string; readonly content: Buffer; readonly delayMs?: number }
  >;
  /** The next calls of this kind go wrong, or wait for a promise. */
  hurt(operation: ParleyOperation, ...troubles: readonly (ParleyTrouble | Promise<unknown>)[]): void;
}

const everything: ChannelCapabilities = {
  edit: true,
  remove: true,
  threads: true,
  findByMarker: true,
  postPrivately: true,
  stream: 'none',
  buttons: { max: 5, maxCharacters: 20 },
  reactions: true,
  typing: true,
  files: { incoming: 10_000_000, outgoing: 10_000_000 },
  maxCharacters: 4_000,
  editsPerSecond: 100,
};

export function createParley(overrides: Partial<ChannelCapabilities> = {}): Parley {
  const capabilities = { ...everything, ...overrides };
  const messages = new Map<string, ParleyMessage>();
  const calls: { operation: ParleyOperation; atMs: number }[] = [];
  const reactions: { messageId: string; emoji: string }[] = [];
  const acknowledged: ActionEvent[] = [];
  const files: Parley['files'] = new Map();
  const troubles = new Map<ParleyOperation, (ParleyTrouble | Promise<unknown>)[]>();
  let last = 0;

  async function act<T>(operation: ParleyOperation, work: () => T): Promise<T> {
    calls.push({ operation, atMs: Date.now() });
    const trouble = troubles.get(operation)?.shift();
    if (typeof trouble === 'object') await trouble;
    if (trouble === 'rejected')
      throw new KonstructError('platform_rejected', undefined, { details: { platformError: 'not_allowed' } });
    if (trouble === 'away') throw new KonstructError('platform_unavailable');
    const done = trouble === 'vanished' ? null : work();
    if (trouble === 'lost' || trouble === 'vanished')
      throw new KonstructError('platform_unavailable', undefined, { details: { outcomeUnknown: true } });
    return done as T;
  }

  function put(
    messageId: string,
    { target, markdown, choices = [], author, marker }: OutboundMessage,
    file: ParleyMessage['file'] = null,
  ): { messageId: string } {
    if (capabilities.buttons === null ? choices.length > 0 : choices.length > capabilities.buttons.max)
      throw new KonstructError('platform_rejected', undefined, { details: { platformError: 'buttons' } });
    const { deliveryId } = marker;
    messages.set(messageId, {
      messageId,
      target,
      markdown,
      choices,
      author: author ?? null,
      deliveryId,
      file,
    });
    return { messageId };
  }

  const mayPost = (mayStillSend: (() => boolean) | undefined): void => {
    if (mayStillSend?.() === false) throw new KonstructError('lease_lost');
  };

  const channel: Channel = {
    type: 'parley',
    capabilities,
    verify({ headers }) {
      if (headers['x-parley'] !== PARLEY_SECRET) throw new KonstructError('signature_invalid');
    },
    connectionSecret: () => null,
    parse: ({ body }: ChannelRequest): ParsedRequest => ({
      kind: 'events',
      events: JSON.parse(body.toString()) as readonly ChannelEvent[],
    }),
    async prepare() {},
    examine: async () => [],
    identify: async ({ externalId }) => ({
      externalId,
      agentUserId: PARLEY_AGENT,
      name: 'Parley',
      scopes: null,
    }),
    post: (_access, message) =>
      act('post', () => {
        mayPost(message.mayStillSend);
        last += 1;
        return put(`m${last}`, message);
      }),
    edit: (_access, message) =>
      act('edit', () => {
        mayPost(message.mayStillSend);
        if (!messages.has(message.messageId))
          throw new KonstructError('platform_rejected', undefined, {
            details: { platformError: 'message_not_found' },
          });
        put(message.messageId, message);
      }),
    async remove(_access, { messageId }) {
      messages.delete(messageId);
    },
    async postPrivately() {},
    fetchThread: async () => null,
    findByMarker: async (_access, _target, { deliveryId }: DeliveryMarker) =>
      [...messages.values()].find((message) => message.deliveryId === deliveryId) ?? null,
    isPerson: async () => true,
    personName: async (_access, externalId) =>
      `${externalId.slice(0, 1)}${externalId.slice(1).toLowerCase()}`,
    split: (markdown) => markdown.match(/[\s\S]{1,4000}/g) ?? [''],
    format: (markdown) => ({ text: markdown }),
    typing: () => act('typing', () => {}),
    react: (_access, { messageId, emoji }) => act('react', () => void reactions.push({ messageId, emoji })),
    async acknowledgeAction(_access, action) {
      acknowledged.push(action);
    },
    upload: (_access, { target, name, mediaType, content, marker, mayStillSend }) =>
      act('upload', () => {
        mayPost(mayStillSend);
        last += 1;
        const file = { name, mediaType, content: Buffer.from(content) };
        return put(`m${last}`, { target, markdown: '', marker }, file);
      }),
    fetchFile: async (_access, { externalId }, { maxBytes }, signal) => {
      const file = files.get(externalId);
      await act('fetchFile', () => {});
      if (file?.delayMs !== undefined) {
        await new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
          setTimeout(resolve, file.delayMs);
        });
      }
      if (file === undefined)
        throw new KonstructError('platform_rejected', undefined, { details: { platformError: 'gone' } });
      if (file.content.length > maxBytes) throw new KonstructError('attachment_too_large');
      return file;
    },
    close() {},
  };

  return {
    definition: {
      type: 'parley',
      displayName: 'Parley',
      webhook: { path: '/parley', shared: true },
      connection: {
        externalId: /^P/,
        externalIdMeaning: 'the id of a Parley',
        required: ['token'],
        optional: [],
      },
      defaultApiUrl: 'http://127.0.0.1:9/',
      open: () => channel,
    },
    messages,
    calls,
    reactions,
    acknowledged,
    files,
    hurt(operation, ...next) {
      troubles.set(operation, [...(troubles.get(operation) ?? []), ...next]);
    },
  };
}
