import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { googleChat } from '../../src/channels/google-chat/index.ts';
import { systemTime } from '../../src/system-time.ts';
import { createRsaSigner } from '../../test/support/rsa-signer.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import { countTokens, type TokenIngestFigures } from './token-ingest.ts';

const PROJECT = '111111111111';

/** Requests a second that are checked (RS256) and read: a mention in a space, about 1,300 bytes. */
export async function measureGoogleChatIngest(rounds?: number): Promise<TokenIngestFigures> {
  const signer = createRsaSigner('key-1');
  const server = createServer((_request, response) => {
    response.end(JSON.stringify({ keys: [signer.jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const channel = googleChat.open({
    apiUrl: url,
    ...systemTime,
    log: silentLog,
    values: { certsUrl: url, tokenUrl: `${url}/token` },
  });
  const person = { name: 'users/31', displayName: 'Mara K', type: 'HUMAN', email: 'mara@acme.example' };
  const ada = { name: 'users/9001', displayName: 'Ada', type: 'BOT' };
  const space = { name: 'spaces/AAAAMpdlehY', type: 'ROOM', spaceType: 'SPACE', displayName: 'Support' };
  const text = `@Ada any idea? ${'word '.repeat(60)}`;
  const message = {
    name: `${space.name}/messages/UMxbHmzDlr4.UMxbHmzDlr4`,
    sender: person,
    createTime: '2026-03-02T11:22:33.123456Z',
    text,
    argumentText: text.slice(4),
    thread: { name: `${space.name}/threads/UMxbHmzDlr4` },
    annotations: [{ type: 'USER_MENTION', startIndex: 0, length: 4, userMention: { user: ada } }],
    space,
  };
  const exp = Math.floor(Date.now() / 1000) + 3_600;
  const claims = { iss: 'chat@system.gserviceaccount.com', aud: PROJECT, exp };
  const body = Buffer.from(JSON.stringify({ type: 'MESSAGE', eventTime: 'x', user: person, space, message }));
  const perSecond = await countTokens(
    (number) => signer.token({ ...claims, number }),
    async (token) => {
      const request = { path: '/google-chat', headers: { authorization: `Bearer ${token}` }, body };
      await channel.verify(request, PROJECT, Date.now());
      channel.parse(request);
    },
    rounds,
  );
  channel.close();
  server.close();
  return { bodyBytes: body.length, ...perSecond };
}

if (import.meta.main) console.table(await measureGoogleChatIngest());
