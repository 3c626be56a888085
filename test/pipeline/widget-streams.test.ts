import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { widget } from '../../src/channels/widget/index.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { createMailbox } from '../../src/stores/mailbox.ts';
import { systemTime } from '../../src/system-time.ts';
import { until } from '../support/conversation.ts';
import { silentLog } from '../support/silent-log.ts';
import { startServeProcess } from '../support/start-serve-process.ts';
import {
  acmeSite,
  startWidgetInstallation,
  tokenFor,
  type WidgetInstallation,
} from '../support/widget/start-widget-installation.ts';
import { createVisitorClient, type VisitorClient } from '../support/widget/visitor-client.ts';

const GONE = 'http://127.0.0.1:9/api/';
let installation: WidgetInstallation;
let gateway: App;
let otherGateway: App;
beforeAll(async () => {
  installation = await startWidgetInstallation();
  [gateway, otherGateway] = [
    await installation.startApp({ role: 'gateway' }),
    await installation.startApp({ role: 'gateway' }),
  ];
  await installation.startApp({ role: 'worker' });
});
afterAll(() => installation?.stop());

let lastVisitor = 0;
function visitor(url = gateway.url, token?: string): VisitorClient & { readonly subject: string } {
  lastVisitor += 1;
  const subject = `visitor-${lastVisitor}`;
  const { name: connection, origin } = acmeSite;
  return {
    ...createVisitorClient({ url, connection, token: token ?? tokenFor(subject), origin }),
    subject,
  };
}
const texts = (client: VisitorClient) =>
  [...client.messages.values()].sort((a, b) => a.position - b.position).map(({ text }) => text);

// First of all: a route that is known to be quick is not watched while it answers.
it('an answer of the model is seen as it comes, through worker, database and gateway, and stands there once', async () => {
  const mara = visitor();
  await mara.connect();
  async function* pieces() {
    for (let piece = 0; piece < 20; piece += 1) {
      await sleep(100);
      yield `piece ${piece}, `;
    }
  }
  installation.model.respondNext({ pieces: pieces() });
  await mara.say('tell me slowly');
  const answer = await mara.answer('piece 19');
  expect(mara.glimpses.length).toBeGreaterThanOrEqual(8);
  for (const glimpse of mara.glimpses) expect(answer.text.startsWith(glimpse.trim())).toBe(true);
  expect(texts(mara)).toEqual(['tell me slowly', answer.text]);
});

describe('a browser that was cut off', () => {
  it('goes on where it was, at another gateway, and gets each change once', async () => {
    const { name: connection, origin } = acmeSite;
    const token = tokenFor('reconnecting');
    const mara = createVisitorClient({ url: gateway.url, connection, token, origin });
    await mara.connect();
    for (const question of ['one', 'two']) {
      await mara.say(question);
      await mara.answer(`You said: ${question}`);
    }
    mara.disconnect();
    await mara.say('three');
    await until('the third is answered', async () => {
      const rows = await installation.query(
        `select 1 from konstruct.mailbox_messages where content = 'You said: three'`,
      );
      return rows.length === 1;
    });
    const seen = mara.events.length;
    await mara.connect(otherGateway.url);
    await mara.answer('You said: three');
    expect(texts(mara)).toEqual([
      ...['one', 'You said: one', 'two', 'You said: two', 'three', 'You said: three'],
    ]);
    const missed = mara.events.slice(seen).filter(({ name }) => name === 'message');
    expect(missed).toHaveLength(2);
  });

  it('sees the answer once whose gateway was killed in the middle of it', async () => {
    const dying = await startServeProcess({ ...installation, slackApiUrl: GONE }, 'gateway');
    const { name: connection, origin } = acmeSite;
    const token = tokenFor('killed');
    const mara = createVisitorClient({ url: dying.url, connection, token, origin });
    await mara.connect();
    installation.model.respondNext({ text: 'After all.', delayMs: 1_000 });
    await mara.say('a question');
    await until('the placeholder stands there', () => texts(mara).includes('Thinking…'));
    await dying.end('SIGKILL');
    await mara.ended();
    await mara.connect(gateway.url);
    await mara.answer('After all.');
    await sleep(200);
    expect(texts(mara)).toEqual(['a question', 'After all.']);
    const answers = mara.events.filter(({ data }) => JSON.stringify(data).includes('After all.'));
    expect(answers).toHaveLength(1);
  });

  it('hears what happened while its gateway did not hear the database', async () => {
    const mara = visitor(otherGateway.url);
    await mara.connect();
    await mara.say('before');
    await mara.answer('before');
    await installation.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'konstruct listen' and datname = current_database()`,
    );
    await mara.say('after');
    await mara.answer('after');
  });
});

describe('an answer that is being written', () => {
  /** What a worker does, on a pool of its own. */
  async function withWorker(
    subject: string,
    work: (
      stream: { show(text: string): void; close(): Promise<unknown> },
      messageId: string,
    ) => Promise<void>,
  ): Promise<void> {
    const pool = createDatabasePool({ url: installation.databaseUrl, name: 'w', size: 2, log: silentLog });
    const channel = widget.open({ apiUrl: '', ...systemTime, log: silentLog, mailbox: createMailbox(pool) });
    try {
      const access = {
        connectionId: installation.connectionIds[0],
        externalId: acmeSite.name,
        credentials: { secret: acmeSite.secret },
      };
      const target = { channelId: `v:${subject}`, threadId: null };
      const { signal } = new AbortController();
      const placeholder = { target, markdown: 'Thinking…', marker: { deliveryId: 'p' }, isProvisional: true };
      const { messageId } = await channel.post(access, placeholder, signal);
      const stream = channel.openStream?.(access, {
        target,
        messageId,
        marker: { deliveryId: 'p' },
        recipientId: target.channelId,
        mayStillSend: () => true,
        onMessage: async () => {},
      });
      if (stream === undefined) throw new Error('The channel does not stream.');
      await work(stream, messageId);
      await stream.close();
      const answer = { target, messageId, markdown: 'The whole answer.', marker: { deliveryId: 'a' } };
      await channel.edit(access, answer, signal);
    } finally {
      await pool.end();
    }
  }

  it('is seen at least ten times a second at another process, and by who comes in the middle', async () => {
    const mara = visitor();
    await mara.connect();
    await mara.say('hello');
    await mara.answer('hello');
    const tab = createVisitorClient({
      url: otherGateway.url,
      connection: acmeSite.name,
      token: tokenFor(mara.subject),
      origin: acmeSite.origin,
    });
    let text = '';
    let whileWriting = 0;
    await withWorker(mara.subject, async (stream) => {
      const until = performance.now() + 2_000;
      while (performance.now() < until) {
        text += `word ${text.length} `;
        stream.show(text);
        await sleep(15);
        if (performance.now() > until - 1_300 && tab.events.length === 0) await tab.connect();
      }
      whileWriting = mara.glimpses.length;
    });
    expect(whileWriting).toBeGreaterThanOrEqual(20);
    expect(text.startsWith(mara.glimpses.at(-1) ?? 'nothing')).toBe(true);
    expect(tab.glimpses.length).toBeGreaterThan(2);
    expect(text.startsWith(tab.glimpses.at(-1) ?? 'nothing')).toBe(true);
    await Promise.all([mara.answer('The whole answer.'), tab.answer('The whole answer.')]);
    const kept = await installation.query(
      `select 1 from konstruct.mailbox_messages where channel_id = $1 and content like 'word%'`,
      [`v:${mara.subject}`],
    );
    expect(kept).toEqual([]);
  });
});

describe('a stream ends', () => {
  it('when the proof of who it is for has ended', async () => {
    const mara = visitor(gateway.url, tokenFor('ending', { seconds: 1 }));
    await mara.connect();
    await mara.ended();
  });

  it('when a ninth tab of one visitor is opened, and the others go on', async () => {
    const { name: connection, origin } = acmeSite;
    const token = tokenFor('many-tabs');
    const tabs = Array.from({ length: 9 }, () =>
      createVisitorClient({ url: gateway.url, connection, token, origin }),
    );
    for (const tab of tabs) await tab.connect();
    await tabs[0]?.ended();
    await tabs[8]?.say('still there?');
    await Promise.all(tabs.slice(1).map((tab) => tab.answer('still there?')));
  });

  it('when its site may not show the chat any more, and no other does', async () => {
    const mara = visitor();
    await mara.connect();
    const change = (origins: string) =>
      installation.query(
        `update konstruct.connections set settings = jsonb_set(settings, '{allowedOrigins}', $2) where id = $1`,
        [installation.connectionIds[0], origins],
      );
    const announce = () => installation.query('notify konstruct_changed');
    await change(JSON.stringify([acmeSite.origin, 'https://shop.acme.example']));
    await announce();
    await sleep(200);
    await mara.say('still here');
    await mara.answer('still here');
    await change('["https://shop.acme.example"]');
    await announce();
    await mara.ended();
    await expect(mara.connect()).rejects.toThrow('events: 403');
    await change(JSON.stringify([acmeSite.origin]));
    await announce();
  });

  it('for each of more than a thousand browsers when the chat is disabled', async () => {
    const agent = new Agent({ keepAlive: true });
    const path = `/widget/${acmeSite.name}/events`;
    let open = 0;
    const openTab = async (token: string): Promise<void> => {
      const headers = { origin: acmeSite.origin, authorization: `Bearer ${token}` };
      const [response] = (await once(get(`${gateway.url}${path}`, { agent, headers }), 'response')) as [
        IncomingMessage,
      ];
      expect(response.statusCode).toBe(200);
      open += 1;
      response.resume().once('close', () => {
        open -= 1;
      });
    };
    const tokens = Array.from({ length: 150 }, (_, index) => tokenFor(`crowd-${index}`));
    await Promise.all(tokens.flatMap((token) => Array.from({ length: 8 }, () => openTab(token))));
    expect(open).toBe(1_200);
    const setStatus = (status: string) =>
      installation.query('update konstruct.connections set status = $2 where id = $1', [
        installation.connectionIds[0],
        status,
      ]);
    await setStatus('disabled');
    try {
      await expect.poll(() => open, { timeout: 10_000 }).toBe(0);
    } finally {
      agent.destroy();
      await setStatus('active');
    }
  });

  it('at once when its gateway stops', async () => {
    const stopping = await installation.startApp({ role: 'gateway' });
    const mara = visitor(stopping.url);
    await mara.connect();
    const before = performance.now();
    await Promise.all([stopping.stop(), mara.ended()]);
    expect(performance.now() - before).toBeLessThan(2_500);
  });
});
