import { readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channelTable } from '../src/channel-table.ts';
import { type NginxServer, nginxIsMissing, startNginx } from './support/start-nginx.ts';
import {
  acmeSite,
  startWidgetInstallation,
  tokenFor,
  type WidgetInstallation,
} from './support/widget/start-widget-installation.ts';
import { createVisitorClient } from './support/widget/visitor-client.ts';

const MEGABYTE = 1024 * 1024;
const guide = readFileSync(new URL('../docs/guides/run-in-production.md', import.meta.url), 'utf8');
const example = /```nginx\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';

/** Every path that the outside has to reach, and the largest body that may come there. */
const paths = [
  ...channelTable.flatMap(({ webhook, install }) => [
    ...[webhook.path, ...(webhook.alsoPaths ?? [])].flatMap((path) =>
      [...(webhook.shared ? [path] : []), `${path}/some-connection`].map((each) => ({
        path: each,
        maxBytes: webhook.maxBodyBytes ?? MEGABYTE,
      })),
    ),
    ...(install === undefined ? [] : [install.path, install.redirectPath]).map((path) => ({
      path,
      maxBytes: 0,
    })),
  ]),
  ...['/widget/acme-site/session', '/widget/acme-site/events', '/widget.js', '/health'].map((path) => ({
    path,
    maxBytes: 0,
  })),
];

interface Location {
  readonly exact: boolean;
  readonly prefix: string;
  readonly maxBytes: number;
}

const locations: readonly Location[] = [...example.matchAll(/location (= )?(\S+) \{([^}]*)\}/g)].map(
  ([, exact, prefix = '', body = '']) => ({
    exact: exact !== undefined,
    prefix,
    maxBytes: Number(/client_max_body_size (\d+)m;/.exec(body)?.[1] ?? 1) * MEGABYTE,
  }),
);

/** As nginx chooses: the one that is the path itself, else the longest that it begins with. */
function locationOf(path: string): Location | undefined {
  const fitting = locations.filter(({ exact, prefix }) =>
    exact ? path === prefix : path.startsWith(prefix),
  );
  return fitting.find(({ exact }) => exact) ?? fitting.sort((a, b) => b.prefix.length - a.prefix.length)[0];
}

it.each(paths)('the example for nginx passes $path on', ({ path, maxBytes }) => {
  const location = locationOf(path);
  expect(location).toBeDefined();
  expect(location?.maxBytes).toBeGreaterThanOrEqual(maxBytes);
});

it.each(['/metrics', '/livez', '/readyz', '/', '/simulator/'])(
  'the example for nginx keeps %s inside',
  (path) => {
    expect(locationOf(path)).toBeUndefined();
  },
);

describe.skipIf(nginxIsMissing)(
  `the example, in a real nginx${nginxIsMissing ? ' (skipped: nginx or openssl is not on PATH)' : ''}`,
  { timeout: 60_000 },
  () => {
    let installation: WidgetInstallation;
    let nginx: NginxServer;
    const trusted = getCACertificates('default');
    beforeAll(async () => {
      installation = await startWidgetInstallation();
      const app = await installation.startApp();
      nginx = await startNginx(example, app.url);
      setDefaultCACertificates([...trusted, readFileSync(nginx.certificate, 'utf8')]);
    });
    afterAll(async () => {
      setDefaultCACertificates(trusted);
      await nginx?.close();
      await installation?.stop();
    });

    it('shows a visitor the answer while it is written', async () => {
      const { name: connection, origin } = acmeSite;
      const mara = createVisitorClient({ url: nginx.url, connection, token: tokenFor('mara'), origin });
      await mara.connect();
      let isWritten = false;
      async function* pieces() {
        for (let piece = 0; piece < 20; piece += 1) {
          await sleep(100);
          yield `piece ${piece}, `;
        }
        isWritten = true;
      }
      installation.model.respondNext({ pieces: pieces() });
      await mara.say('tell me slowly');
      while (!isWritten && mara.glimpses.length < 5) await sleep(20);
      expect(isWritten).toBe(false);
      expect(mara.glimpses.length).toBeGreaterThanOrEqual(5);
      await mara.answer('piece 19');
      mara.disconnect();
    });

    it('speaks HTTP/2 with browsers', async () => {
      const session = connect(nginx.url, { ca: readFileSync(nginx.certificate) });
      const request = session.request({ ':path': '/health' });
      const status = await new Promise((resolve, reject) => {
        request.once('response', (headers) => resolve(headers[':status']));
        for (const emitter of [session, request]) emitter.once('error', reject);
      });
      expect(status).toBe(200);
      session.destroy();
    });

    const posts = channelTable.filter(({ keepsMailbox }) => !keepsMailbox).map(({ webhook }) => webhook.path);
    it.each(posts)('lets Konstruct answer what comes to %s', async (path) => {
      const response = await fetch(`${nginx.url}${path}/nobody`, { method: 'POST', body: '{}' });
      expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    });

    it('takes what a platform may send, and no more', async () => {
      const send = async (path: string, bytes: number) =>
        (await fetch(`${nginx.url}${path}`, { method: 'POST', body: Buffer.alloc(bytes, 'x') })).status;
      expect(await send('/whatsapp', 3 * MEGABYTE - 1)).toBe(401);
      expect(await send('/slack/events', MEGABYTE - 1)).toBe(401);
      expect(await send('/slack/events', 2 * MEGABYTE)).toBe(413);
    });

    it('keeps to itself what is not for the outside', async () => {
      expect((await fetch(`${nginx.url}/metrics`)).status).toBe(404);
    });
  },
);
