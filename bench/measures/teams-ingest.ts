import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { teams } from '../../src/channels/teams/index.ts';
import { systemTime } from '../../src/system-time.ts';
import { createRsaSigner } from '../../test/support/rsa-signer.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import { countTokens, type TokenIngestFigures } from './token-ingest.ts';

const APP = '11111111-1111-4111-8111-111111111111';
/** Requests a second that are checked (RS256) and read: an activity with a mention in a channel, about 1,500 bytes. */
export async function measureTeamsIngest(rounds?: number): Promise<TokenIngestFigures> {
  const signer = createRsaSigner('key-1');
  const server = createServer((request, response) => {
    const url = `http://${request.headers.host}`;
    const isKeys = request.url === '/keys';
    const keys = [{ ...signer.jwk, endorsements: ['msteams'] }];
    response.end(JSON.stringify(isKeys ? { keys } : { jwks_uri: `${url}/keys` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const channel = teams.open({
    apiUrl: url,
    ...systemTime,
    log: silentLog,
    values: { openIdUrl: `${url}/openid` },
  });
  const serviceUrl = `${url}/emea/`;
  const person = { id: `29:1${'x'.repeat(80)}`, name: 'Mara K', aadObjectId: APP };
  const ada = { id: `28:${APP}`, name: 'Ada' };
  const tenantId = 'aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa';
  const channelId = '19:693ecdb923ac4458a5c23661b505fc84@thread.tacv2';
  const text = `<at>Ada</at> any idea? ${'word '.repeat(40)}`;
  const activity = {
    type: 'message',
    id: '1700000000001',
    timestamp: '2026-01-01T00:00:00.000Z',
    channelId: 'msteams',
    serviceUrl,
    from: person,
    recipient: ada,
    conversation: {
      isGroup: true,
      conversationType: 'channel',
      tenantId,
      id: `${channelId};messageid=1700000000000`,
    },
    text,
    textFormat: 'plain',
    attachments: [{ contentType: 'text/html', content: `<p>${text}</p>` }],
    entities: [{ type: 'mention', mentioned: ada, text: '<at>Ada</at>' }],
    channelData: { tenant: { id: tenantId }, team: { id: channelId }, channel: { id: channelId } },
    locale: 'en-US',
  };
  const exp = Math.floor(Date.now() / 1000) + 3_600;
  const claims = { iss: 'https://api.botframework.com', aud: APP, exp, serviceurl: serviceUrl };
  const body = Buffer.from(JSON.stringify(activity));
  const perSecond = await countTokens(
    (number) => signer.token({ ...claims, number }),
    async (token) => {
      const request = { path: '/teams/messages', headers: { authorization: `Bearer ${token}` }, body };
      await channel.verify(request, APP, Date.now());
      channel.parse(request);
    },
    rounds,
  );
  channel.close();
  server.close();
  return { bodyBytes: body.length, ...perSecond };
}

if (import.meta.main) console.table(await measureTeamsIngest());
