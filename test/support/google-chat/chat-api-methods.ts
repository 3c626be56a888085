import { ApiRefusal, type ChatApp, type Message, type Space } from './google-chat-world.ts';

type Given = Readonly<Record<string, unknown>>;

export interface ApiRequest {
  readonly method: string;
  /** Behind `/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Given;
}

export interface ApiContext {
  readonly app: ChatApp;
  readonly spaces: ReadonlyMap<string, Space>;
  add(
    space: Space,
    message: Omit<Message, 'id' | 'edits' | 'isReply' | 'threadId'>,
    threadId: string | null,
  ): Message;
}

const MAX_BYTES = 32_000;
const CLIENT_ID = /^client-[a-z0-9-]{1,56}$/;

/** What the stand-in's API does; a field or parameter that it does not know is refused. */
export function callChatApi(context: ApiContext, request: ApiRequest): Given {
  const [, spaceId, rest = ''] = /^spaces\/([\w-]+)(\/.*)?$/.exec(request.path) ?? [];
  if (request.path === 'spaces' && request.method === 'GET') {
    allowOnly(request.query.keys(), ['pageSize']);
    const own = [...context.spaces.values()].filter(({ apps }) => apps.has(context.app.projectNumber));
    return own.length === 0 ? {} : { spaces: own.slice(0, 1).map(({ id }) => ({ name: `spaces/${id}` })) };
  }
  const space = context.spaces.get(spaceId ?? '');
  if (space === undefined) throw new ApiRefusal(404, 'NOT_FOUND', 'Space not found.');
  if (!space.apps.has(context.app.projectNumber))
    throw new ApiRefusal(403, 'PERMISSION_DENIED', 'This Chat app is not a member of this space.');
  if (rest === '/messages' && request.method === 'POST') return create(context, space, request);
  const messageId = /^\/messages\/([\w.-]+)$/.exec(rest)?.[1];
  if (messageId === undefined) throw new ApiRefusal(404, 'NOT_FOUND', 'Method not found.');
  const message = [...space.messages.values()].find(
    ({ id, clientId }) => id === messageId || clientId === messageId,
  );
  if (message === undefined) throw new ApiRefusal(404, 'NOT_FOUND', 'Message not found.');
  if (message.sender.name !== context.app.user.name)
    throw new ApiRefusal(403, 'PERMISSION_DENIED', 'The message is not the app’s.');
  switch (request.method) {
    case 'GET':
      return wire(space, message);
    case 'PATCH':
      return patch(space, message, request);
    case 'DELETE':
      space.messages.delete(message.id);
      return {};
    default:
      throw new ApiRefusal(404, 'NOT_FOUND', 'Method not found.');
  }
}

function create({ app, add }: ApiContext, space: Space, { query, body }: ApiRequest): Given {
  allowOnly(query.keys(), ['messageId', 'requestId', 'messageReplyOption']);
  allowOnly(Object.keys(body), ['text', 'markupSyntax', 'cardsV2', 'thread', 'privateMessageViewer']);
  const clientId = query.get('messageId');
  if (clientId !== null && !CLIENT_ID.test(clientId)) throw invalid('messageId');
  if (clientId !== null && [...space.messages.values()].some((each) => each.clientId === clientId))
    throw new ApiRefusal(409, 'ALREADY_EXISTS', 'A message with this id already exists.');
  const option = query.get('messageReplyOption');
  if (option !== null && option !== 'REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD')
    throw invalid('messageReplyOption');
  // "Only supported in named spaces."
  if (option !== null && space.type !== 'SPACE') throw invalid('messageReplyOption');
  const viewer = (body.privateMessageViewer as { name?: string } | undefined)?.name ?? null;
  if (viewer !== null && space.type === 'DIRECT_MESSAGE') throw invalid('privateMessageViewer');
  const named = (body.thread as { name?: string } | undefined)?.name;
  const [, threadId = null] = new RegExp(`^spaces/${space.id}/threads/([\\w-]+)$`).exec(named ?? '') ?? [];
  if (named !== undefined && threadId === null) throw invalid('thread.name');
  const isThere = [...space.messages.values()].some((each) => each.threadId === threadId);
  const said = { sender: app.user, clientId, text: textOf(body), cards: cardsOf(body.cardsV2), viewer };
  return wire(space, add(space, said, isThere && option !== null ? threadId : null));
}

function patch(space: Space, message: Message, { query, body }: ApiRequest): Given {
  allowOnly(query.keys(), ['updateMask']);
  const mask = (query.get('updateMask') ?? '').split(',');
  // The syntax comes beside the text and is no field that a mask could name.
  allowOnly(mask, ['text', 'cardsV2']);
  allowOnly(Object.keys(body), ['text', 'markupSyntax', 'cardsV2']);
  if (mask.includes('text')) message.text = textOf(body);
  if (mask.includes('cardsV2')) message.cards = cardsOf(body.cardsV2);
  message.edits += 1;
  return wire(space, message);
}

function textOf(body: Given): string {
  const { text, markupSyntax } = body;
  if (typeof text !== 'string' || text.trim() === '') throw invalid('text');
  if (markupSyntax !== 'MARKUP_SYNTAX_CHAT') throw invalid('markup_syntax');
  if (Buffer.byteLength(JSON.stringify(body)) > MAX_BYTES)
    throw new ApiRefusal(400, 'INVALID_ARGUMENT', 'The message is too long.');
  return text;
}

function cardsOf(cards: unknown): Message['cards'] {
  if (cards === undefined) return [];
  if (!Array.isArray(cards)) throw invalid('cards_v2');
  for (const { cardId, card } of cards as readonly { cardId?: unknown; card?: Given }[]) {
    const sections = card?.sections as readonly { widgets?: readonly Given[] }[] | undefined;
    const widgets = sections?.flatMap((section) => section.widgets ?? []) ?? [];
    if (typeof cardId !== 'string' || widgets.length === 0) throw invalid('cards_v2');
    for (const widget of widgets) allowOnly(Object.keys(widget), ['buttonList', 'textParagraph']);
  }
  return cards as Message['cards'];
}

export function wire({ id: spaceId }: Space, message: Message): Given {
  return {
    name: `spaces/${spaceId}/messages/${message.id}`,
    sender: message.sender,
    createTime: '2026-01-01T00:00:00.000000Z',
    text: message.text,
    thread: { name: `spaces/${spaceId}/threads/${message.threadId}` },
    space: { name: `spaces/${spaceId}` },
    ...(message.clientId === null ? {} : { clientAssignedMessageId: message.clientId }),
    ...(message.cards.length === 0 ? {} : { cardsV2: message.cards }),
  };
}

function allowOnly(given: Iterable<string>, known: readonly string[]): void {
  for (const name of given) if (!known.includes(name)) throw invalid(name);
}

function invalid(field: string): ApiRefusal {
  return new ApiRefusal(400, 'INVALID_ARGUMENT', `Invalid value at ${field}.`);
}
