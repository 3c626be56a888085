import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { until } from '../../../test/support/conversation.ts';
import { startMattermostServer } from '../../../test/support/mattermost/start-mattermost-server.ts';
import { recordingLog } from '../../../test/support/recording-log.ts';
import { silentLog } from '../../../test/support/silent-log.ts';
import type { ChannelEvent } from '../../core/channel-event.ts';
import { systemTime } from '../../system-time.ts';
import { mattermost } from './index.ts';
import { guardedLookup, serverOf } from './server-url.ts';

const { signal } = new AbortController();
const botToken = 'adabottoken0standin0000000';
const tls = (name: string) =>
  readFileSync(new URL(`../../../test/fixtures/tls/loopback-${name}.pem`, import.meta.url), 'utf8');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

it.each([
  ['https://chat.acme.example', 'https://chat.acme.example', 'chat.acme.example', true],
  [
    ' https://Chat.Acme.example:8443/team/ ',
    'https://chat.acme.example:8443/team',
    'chat.acme.example:8443/team',
    true,
  ],
  ['http://10.0.0.7:8065', 'http://10.0.0.7:8065', '10.0.0.7:8065', false],
])('the server of %j is at %s', (serverUrl, base, place, isEncrypted) => {
  expect(serverOf({ serverUrl })).toEqual({ base, place, isEncrypted });
});

it.each([
  '',
  'chat.acme.example',
  'ftp://chat.acme.example',
  'file:///etc/passwd',
  'https://user:password@chat.acme.example',
  'https://chat.acme.example/?x=1',
  'https://chat.acme.example/#x',
  'http://169.254.169.254',
  'http://0xa9fea9fe/latest',
  'http://0.0.0.0:8065',
  'http://[fe80::1]',
  'http://[::ffff:169.254.169.254]',
  'http://[fd00:ec2::254]',
])('%j is no address of a server', (serverUrl) => {
  expect(serverOf({ serverUrl })).toBeNull();
});

it('a name is believed for the addresses at which a server can be', async () => {
  const found = await new Promise((resolve, reject) =>
    guardedLookup('localhost', { all: true }, (error, addresses) =>
      error === null ? resolve(addresses) : reject(error),
    ),
  );
  expect(JSON.stringify(found)).toMatch(/127\.0\.0\.1|::1/);
  const refused = await new Promise((resolve) =>
    // A literal needs no look-up, and says what a name that leads there would.
    guardedLookup('169.254.169.254', {}, (error) => resolve(error?.code)),
  );
  expect(refused).toBe('ENOTFOUND');
});

it('a certificate of the company’s own is believed where the connection names it, and nowhere else, for calls and events', async () => {
  const server = await startMattermostServer({ key: tls('key'), cert: tls('certificate') });
  closing.push(() => server.close());
  const ada = server.addUser({ username: 'ada', is_bot: true, token: botToken });
  const mara = server.addUser({ username: 'mara' });
  const channel = server.addChannel('O', [ada, mara], server.addTeam('acme', [ada, mara]));
  const log = recordingLog();
  const adapter = mattermost.open({ apiUrl: '', ...systemTime, log, timeoutMs: 2_000, maxWaitMs: 2_000 });
  closing.push(() => adapter.close());
  const access = (certificate: string) => ({
    connectionId: certificate === '' ? 'without' : 'with',
    externalId: '',
    credentials: { serverUrl: server.url, botToken, certificate },
  });
  const named = access(tls('certificate'));
  expect(await adapter.identify(named, signal)).toMatchObject({ agentUserId: 'ada' });
  await expect(adapter.identify(access(''), signal)).rejects.toMatchObject({
    code: 'platform_unavailable',
    details: { platformError: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
  });
  const ending = new AbortController();
  const events: ChannelEvent[] = [];
  const followed = adapter.subscription?.byPolling(
    named,
    async (received) => void events.push(...received),
    ending.signal,
    async () => ({ lastMessageAtMs: null, directChannelIds: [] }),
  );
  closing.push(async () => {
    ending.abort();
    await followed;
  });
  await until('it listens', () => log.lines.some(({ event }) => event === 'mattermost.following'));
  await server.say(channel, { from: mara, text: '@ada hello' });
  await until('it is heard', () => events.some((event) => event.type === 'message'));
});

it('what a server redirects to is not followed, and shown no token', async () => {
  const other = await startMattermostServer();
  closing.push(() => other.close());
  const { createServer } = await import('node:http');
  const redirecting = createServer((_request, response) => {
    response.writeHead(302, { location: `${other.url}/api/v4/users/me` }).end();
  });
  await new Promise<void>((resolve) => redirecting.listen(0, '127.0.0.1', resolve));
  closing.push(() => redirecting.close());
  const { port } = redirecting.address() as { port: number };
  const adapter = mattermost.open({ apiUrl: '', ...systemTime, log: silentLog });
  closing.push(() => adapter.close());
  const credentials = { serverUrl: `http://127.0.0.1:${port}`, botToken };
  const asked = adapter.identify({ connectionId: 'c', externalId: '', credentials }, signal);
  await expect(asked).rejects.toMatchObject({
    code: 'platform_rejected',
    details: { platformError: 'http_302' },
  });
  expect(other.calls).toEqual([]);
});
