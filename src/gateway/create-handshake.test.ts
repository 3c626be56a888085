import { expect, it } from 'vitest';
import { createHandshake } from './create-handshake.ts';

it('asks the database about few of the connection ids that strangers make up, and finds the known ones all the same', async () => {
  const asked: string[] = [];
  const connection = { id: 'known', tenantId: 'tenant', credentials: '' } as never;
  const handshake = createHandshake({
    channel: {
      type: 'whatsapp',
      handshake: (_query: URLSearchParams, token: string | null) => ({
        contentType: 'text/plain',
        body: token ?? 'nobody',
      }),
      handshakeToken: ({ verifyToken }: { verifyToken: string }) => verifyToken,
    } as never,
    token: null,
    directory: {
      find: async (_channel, id) => {
        asked.push(id);
        return null;
      },
      knownById: (_channel, id) => (id === 'known' ? Promise.resolve(connection) : undefined),
    },
    cipher: { decrypt: () => '{"verifyToken":"theirs"}' } as never,
    clock: () => 1,
  });
  const query = new URLSearchParams();
  for (let index = 0; index < 60; index += 1) {
    const answer = handshake(query, `made-up-${index}`);
    if (index < 20) expect(await answer).toMatchObject({ body: 'nobody' });
    else await expect(answer).rejects.toMatchObject({ code: 'lookups_exhausted', status: 503 });
  }
  expect(asked).toHaveLength(20);
  expect(await handshake(query, 'known')).toMatchObject({ body: 'theirs' });
});
