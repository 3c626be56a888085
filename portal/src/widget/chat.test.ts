import { expect, it } from 'vitest';
import { createChat } from './chat.ts';
import { type ChatClient, ChatExpired, ChatRefused, ChatUnavailable } from './chat-client.ts';
import { createConversation } from './conversation.ts';
import type { Memory } from './visitor-identity.ts';

/** A server whose stream stays open, and which does what the test says with what is sent. */
function serverOf(visitor: string) {
  const server = {
    visitor,
    sent: [] as object[],
    seenIds: [] as (string | null)[],
    streams: [] as ReadableStreamDefaultController<Uint8Array>[],
    /** What the next sends meet with. */
    troubles: [] as Error[],
    /** What the next stream meets with. */
    streamTroubles: [] as Error[],
    emit(event: string, data: object, id?: number) {
      const head = id === undefined ? '' : `id: ${id}\n`;
      const frame = `${head}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
      server.streams.at(-1)?.enqueue(new TextEncoder().encode(frame));
    },
  };
  const client: ChatClient = {
    begin: async () => ({
      visitor: server.visitor,
      agent: 'Ada',
      title: 'Ada',
      greeting: '',
      isAnonymous: false,
    }),
    async send(body) {
      const trouble = server.troubles.shift();
      if (trouble) throw trouble;
      server.sent.push(body);
    },
    async events(lastEventId) {
      const trouble = server.streamTroubles.shift();
      if (trouble) throw trouble;
      server.seenIds.push(lastEventId);
      return new ReadableStream({
        start: (controller) => {
          server.streams.push(controller);
          controller.enqueue(new TextEncoder().encode('event: ready\ndata: {}\n\n'));
        },
      });
    },
  };
  return { server, client };
}

function memoryOf(values = new Map<string, string>()): Memory {
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void (value === null ? values.delete(key) : values.set(key, value)),
  };
}

async function start(client: ChatClient, memory = memoryOf()) {
  const conversation = createConversation();
  let id = 0;
  const chat = createChat({
    client,
    conversation,
    memory,
    changed: () => {},
    newId() {
      id += 1;
      return `id-${id}`;
    },
  });
  chat.open();
  await until(() => chat.connection === 'online' || chat.connection === 'refused');
  return { chat, conversation };
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    if (tries > 400) throw new Error('It did not happen.');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const said = (id: string, text: string) => ({ id, from: 'agent', text, position: Number(id), atMs: 0 });

it('sends one after the other, the same again when the ack was lost, and goes on behind what it has seen', async () => {
  const { server, client } = serverOf('v:mara');
  const { chat, conversation } = await start(client);
  server.troubles.push(new ChatUnavailable(5));
  chat.say('one');
  chat.say('two');
  await until(() => server.sent.length === 2);
  expect(server.sent).toEqual([
    { id: 'id-1', text: 'one', attempt: 2 },
    { id: 'id-2', text: 'two', attempt: 1 },
  ]);
  server.emit('message', said('5', 'hello'), 17);
  await until(() => conversation.find('5') !== undefined);
  server.streams.at(-1)?.close();
  await until(() => server.seenIds.length === 2);
  expect(server.seenIds).toEqual([null, '17']);
  chat.close();
});

it('keeps what it cannot send for the next page, of the same visitor and no other', async () => {
  const values = new Map<string, string>();
  const { server, client } = serverOf('v:mara');
  const { chat, conversation } = await start(client, memoryOf(values));
  server.troubles.push(new ChatRefused(400));
  chat.say('mine');
  await until(() => conversation.find('v-id-1')?.state === 'failed');
  chat.close();

  const tomas = serverOf('v:tomas');
  const other = await start(tomas.client, memoryOf(new Map(values)));
  expect(other.conversation.entries()).toEqual([]);
  expect(tomas.server.sent).toEqual([]);
  other.chat.close();

  const again = serverOf('v:mara');
  const next = await start(again.client, memoryOf(values));
  await until(() => again.server.sent.length === 1);
  expect(again.server.sent[0]).toMatchObject({ id: 'id-1', text: 'mine' });
  next.chat.close();
});

it('forgets a conversation when the next proof is somebody else’s, and what was still to be sent with it', async () => {
  const { server, client } = serverOf('v:mara');
  const { chat, conversation } = await start(client);
  server.emit('message', said('5', 'for Mara'), 17);
  await until(() => conversation.find('5') !== undefined);
  server.visitor = 'v:tomas';
  server.troubles.push(new ChatExpired());
  chat.say('of Mara’s');
  await until(() => chat.session?.visitor === 'v:tomas');
  expect(conversation.entries()).toEqual([]);
  server.streamTroubles.push(new ChatExpired());
  server.streams.at(-1)?.close();
  await until(() => server.seenIds.length === 2);
  expect(server.seenIds[1]).toBeNull();
  expect(server.sent).toEqual([]);
  chat.close();
});

it('goes on as the same person with a newer proof, and stops where there is none', async () => {
  const { server, client } = serverOf('v:mara');
  const { chat } = await start(client);
  server.troubles.push(new ChatExpired());
  chat.say('still me');
  await until(() => server.sent.length === 1);
  server.streamTroubles.push(new ChatRefused(403));
  server.streams.at(-1)?.close();
  await until(() => chat.connection === 'refused');
  chat.close();
});

it('says what the visitor thinks of an answer: shown at once, the newest only, again when the connection is back', async () => {
  const { server, client } = serverOf('v:mara');
  const { chat, conversation } = await start(client);
  const shown = () => conversation.entries().find(({ id }) => id === '5');
  server.emit('message', { ...said('5', 'hello'), answer: true }, 17);
  await until(() => conversation.find('5') !== undefined);
  server.troubles.push(new ChatUnavailable(60_000));
  chat.rate('5', 'up');
  expect(shown()?.rating).toBe('up');
  await until(() => server.troubles.length === 0);
  // What comes of before does not take it back.
  server.emit('message', { ...said('5', 'hello'), answer: true }, 18);
  server.streams.at(-1)?.close();
  await until(() => server.sent.length === 1);
  expect(server.sent).toEqual([{ id: 'id-2', messageId: '5', rating: 'up' }]);
  await until(() => conversation.wantedRatings().length === 0);
  expect(shown()?.rating).toBe('up');
  chat.rate('5', null);
  expect(shown()).not.toHaveProperty('rating');
  await until(() => server.sent.length === 2);
  expect(server.sent[1]).toEqual({ id: 'id-3', messageId: '5', rating: null });
  chat.close();
});

it('takes a rating back that is refused, and says so until there is another', async () => {
  const { server, client } = serverOf('v:mara');
  const { chat, conversation } = await start(client);
  server.emit('message', { ...said('5', 'hello'), answer: true }, 17);
  await until(() => conversation.find('5') !== undefined);
  server.troubles.push(new ChatRefused(400));
  chat.rate('5', 'down');
  await until(() => conversation.entries()[0]?.isRatingRefused === true);
  expect(conversation.entries()[0]).not.toHaveProperty('rating');
  chat.rate('5', 'down');
  expect(conversation.entries()[0]).not.toHaveProperty('isRatingRefused');
  await until(() => server.sent.length === 1);
  chat.close();
});

it('keeps what it could not say of an answer for the next page, of the same visitor and no other', async () => {
  const values = new Map<string, string>();
  const { server, client } = serverOf('v:mara');
  const { chat } = await start(client, memoryOf(values));
  server.troubles.push(new ChatUnavailable(60_000));
  chat.rate('5', 'up');
  await until(() => server.troubles.length === 0);
  chat.close();
  const tomas = serverOf('v:tomas');
  const other = await start(tomas.client, memoryOf(new Map(values)));
  expect(other.conversation.wantedRatings()).toEqual([]);
  other.chat.close();
  const again = serverOf('v:mara');
  const next = await start(again.client, memoryOf(values));
  await until(() => again.server.sent.length === 1);
  expect(again.server.sent).toMatchObject([{ messageId: '5', rating: 'up' }]);
  await until(() => values.size === 0);
  next.chat.close();
});
