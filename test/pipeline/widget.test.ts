import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { idle, until } from '../support/conversation.ts';
import { readMetrics } from '../support/read-metrics.ts';
import {
  acmeSite,
  globexSite,
  startWidgetInstallation,
  tokenFor,
  type WidgetInstallation,
} from '../support/widget/start-widget-installation.ts';
import { createVisitorClient, type VisitorClient } from '../support/widget/visitor-client.ts';

let installation: WidgetInstallation;
let app: App;
beforeAll(async () => {
  installation = await startWidgetInstallation({ allowAnonymous: true, greeting: 'Hello!' });
  app = await installation.startApp();
});
afterAll(() => installation?.stop());

let lastVisitor = 0;
function newName(): string {
  lastVisitor += 1;
  return `visitor-${lastVisitor}`;
}
function visitor(subject = newName(), token = tokenFor(subject), url = app.url): VisitorClient {
  return createVisitorClient({ url, connection: acmeSite.name, token, origin: acmeSite.origin });
}
const texts = (client: VisitorClient) =>
  [...client.messages.values()].sort((a, b) => a.position - b.position).map(({ text }) => text);
const ask = (path: string, init: RequestInit = {}) => fetch(`${app.url}/widget/${path}`, init);
const originOf = (response: Response) => response.headers.get('access-control-allow-origin');

describe('a visitor', () => {
  it('asks, sees the placeholder turn into the answer, and what they said above it', async () => {
    const mara = visitor();
    await mara.connect();
    installation.model.respondNext({ text: 'It is on its way.', delayMs: 150 });
    expect((await mara.say('Where is my order?')).status).toBe(200);
    await until('the placeholder stands there', () => texts(mara).includes('Thinking…'));
    expect([...mara.messages.values()].find(({ text }) => text === 'Thinking…')?.provisional).toBe(true);
    await mara.answer('on its way');
    expect(texts(mara)).toEqual(['Where is my order?', 'It is on its way.']);
  });

  it('is one conversation with a memory, however often they come', async () => {
    const name = newName();
    const first = visitor(name);
    await first.connect();
    await first.say('My name is Mara.');
    await first.answer('You said');
    first.disconnect();
    const second = visitor(name);
    await second.connect();
    expect(texts(second)[0]).toBe('My name is Mara.');
    await second.say('What is my name?');
    await until('the model is asked', () =>
      installation.model.requests.some(({ body }) => {
        const sent = JSON.stringify(body);
        return sent.includes('What is my name?') && sent.includes('My name is Mara.');
      }),
    );
  });

  it('is answered once when the browser sends again, because the ack got lost', async () => {
    const mara = visitor();
    await mara.connect();
    const id = randomUUID();
    await Promise.all([mara.say('again?', id), mara.say('again?', id)]);
    await mara.answer('again?');
    await mara.post('messages', { id, text: 'again?', attempt: 3 });
    await mara.say('and this?');
    await mara.answer('and this?');
    expect(texts(mara).filter((text) => text === 'again?')).toHaveLength(1);
    expect(texts(mara)).toHaveLength(4);
  });

  it('who writes too fast is told to wait, and nothing of it is kept', async () => {
    const mara = visitor();
    await mara.connect();
    const answers = [];
    for (let message = 0; message < 12; message += 1) answers.push(await mara.say(`quick ${message}`));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(1);
    expect(Number(refused[0]?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused[0]?.json()).toMatchObject({ error: 'rate_limited' });
    expect(originOf(refused[0] as Response)).toBe(acmeSite.origin);
    await until(
      'the rest is there',
      () => texts(mara).filter((text) => text.startsWith('quick')).length >= 10,
    );
    expect(texts(mara)).not.toContain(`quick ${answers.findIndex(({ status }) => status === 429)}`);
    await idle(installation); // what is asked next is answered with what that test says
  });

  it.each(['a word', 'a button'])('stops the agent with %s', async (way) => {
    const mara = visitor();
    await mara.connect();
    installation.model.respondNext({ text: 'never said', delayMs: 8_000 });
    await mara.say('a long question');
    await until('the placeholder stands there', () => texts(mara).includes('Thinking…'));
    const writing = [...mara.messages.values()].find(({ provisional }) => provisional);
    if (way === 'a word') await mara.say('stop');
    else await mara.post('messages', { id: randomUUID(), messageId: writing?.id, stop: true });
    await mara.answer('Stopped');
    expect(texts(mara)).not.toContain('never said');
  });

  it('whom the site does not know gets an id of their own, and keeps it', async () => {
    const nobody = visitor('', '');
    const headers = { origin: acmeSite.origin, 'content-type': 'application/json' };
    const begin = (token?: string) =>
      ask(`${acmeSite.name}/session`, {
        method: 'POST',
        headers: { ...headers, ...(token && { authorization: `Bearer ${token}` }) },
        body: '{}',
      });
    const session = (await (await begin()).json()) as { token: string };
    expect(session).toMatchObject({
      isAnonymous: true,
      agent: 'Ada of acme',
      title: 'Ada of acme',
      greeting: 'Hello!',
      token: expect.any(String),
    });
    expect(await (await begin(session.token)).json()).not.toHaveProperty('token'); // as good as new
    const stranger = visitor('', session.token);
    await stranger.connect();
    await stranger.say('Do you ship to Norway?');
    await stranger.answer('Norway');
    const other = (await (await begin()).json()) as { token: string };
    const otherStranger = visitor('', other.token);
    await otherStranger.connect();
    expect(texts(otherStranger)).toEqual([]);
    const known = await begin(tokenFor('mara'));
    expect(await known.json()).toMatchObject({ isAnonymous: false });
    nobody.disconnect();
  });

  it('says what they think of an answer: kept with the turn, once, and shown in every tab and at the next visit', async () => {
    const name = newName();
    const mara = visitor(name);
    const otherTab = visitor(name);
    await mara.connect();
    await otherTab.connect();
    await mara.say('How long does it take?');
    const answer = await mara.answer('How long');
    expect(answer.answer).toBe(true);
    const rate = async (rating: string | null) => {
      const body = { id: randomUUID(), messageId: answer.id, rating };
      expect((await mara.post('messages', body)).status).toBe(200);
      await until(`both tabs show ${rating}`, () =>
        [mara, otherTab].every((tab) => (tab.messages.get(answer.id)?.rating ?? null) === rating),
      );
      return installation.query(
        `select f.person_id as person, f.verdict from konstruct.feedback f
         join konstruct.messages m on m.tenant_id = f.tenant_id and m.turn_id = f.turn_id
         where m.channel_id = $1 and m.direction = 'out'`,
        [`v:${name}`],
      );
    };
    for (const rating of ['up', 'down', 'down', 'up', null, 'down'])
      expect(await rate(rating), String(rating)).toEqual([{ person: `v:${name}`, verdict: rating }]);
    const metrics = await readMetrics(app.url);
    const counted = (verdict: string) =>
      metrics.value('konstruct_feedback_total', { channel: 'widget', verdict });
    // Whoever changes their mind has not taken it back.
    expect([counted('up'), counted('down'), counted('taken_back')]).toEqual([2, 2, 1]);
    const nextVisit = visitor(name);
    await nextVisit.connect();
    expect(nextVisit.messages.get(answer.id)?.rating).toBe('down');
  });

  it('cannot rate what is no answer, or somebody else’s', async () => {
    const mara = visitor();
    await mara.connect();
    installation.model.respondNext({ text: 'never said', delayMs: 8_000 });
    await mara.say('a long question');
    await until('the placeholder stands there', () => texts(mara).includes('Thinking…'));
    await mara.say('stop');
    const stopped = await mara.answer('Stopped');
    expect(stopped).not.toHaveProperty('answer');
    const tomas = visitor();
    await tomas.connect();
    await tomas.say('hello');
    const answer = await tomas.answer('hello');
    const rate = (messageId: string, rating: unknown) =>
      mara.post('messages', { id: randomUUID(), messageId, rating });
    const count = async () => (await installation.query('select 1 from konstruct.feedback')).length;
    const before = await count();
    for (const id of [stopped.id, answer.id]) expect((await rate(id, 'up')).status).toBe(200);
    expect(await count()).toBe(before);
    expect((await rate(answer.id, 'great')).status).toBe(400);
    expect((await rate('v-abcdefgh', 'up')).status).toBe(400);
    const later = visitor();
    await later.connect();
    expect(tomas.messages.get(answer.id)).not.toHaveProperty('rating');
  });

  it('presses a button: it is said, and the buttons go', async () => {
    const name = newName();
    const mara = visitor(name);
    await mara.connect();
    await mara.say('hello');
    await mara.answer('hello');
    await installation.query(
      `select konstruct.change_in_mailbox(connection_id, channel_id, id,
         '{"content": "Which colour?", "choices": ["Red", "Blue"]}')
       from konstruct.mailbox_messages where channel_id = $1 and direction = 'out'`,
      [`v:${name}`],
    );
    const question = await mara.answer('Which colour?');
    expect(question.choices).toEqual(['Red', 'Blue']);
    const pressed = await mara.post('messages', { id: randomUUID(), messageId: question.id, choice: 'Blue' });
    expect(pressed.status).toBe(200);
    await mara.answer('You said: Blue');
    await until('the buttons are gone', () => mara.messages.get(question.id)?.choices === undefined);
    expect(texts(mara)).toContain('Blue');
  });
});

describe('who may ask', () => {
  it('is a page of the connection’s sites, exactly, or our own', async () => {
    const path = `${acmeSite.name}/session`;
    const withOrigin = (origin: string) => ask(path, { method: 'POST', headers: { origin }, body: '{}' });
    for (const origin of [acmeSite.origin, app.url, app.url.replace('127.0.0.1', 'localhost')]) {
      const answer = await withOrigin(origin);
      expect([answer.status, originOf(answer)], origin).toEqual([200, origin]);
    }
    for (const origin of [
      globexSite.origin,
      `${acmeSite.origin}.evil.example`,
      acmeSite.origin.replace('https', 'http'),
      `${acmeSite.origin}:444`,
      'https://acme.example',
      'null',
      'http://localhost:1',
    ]) {
      const answer = await withOrigin(origin);
      expect([answer.status, originOf(answer)], origin).toEqual([403, null]);
      expect(await answer.json()).toMatchObject({ error: 'origin_refused' });
    }
    const fromElsewhere = await ask(`${acmeSite.name}/events`, {
      headers: { 'sec-fetch-site': 'cross-site' },
    });
    expect(fromElsewhere.status).toBe(403);
  });

  it('is told so before it asks, by the preflight', async () => {
    const preflight = (origin: string) =>
      ask(`${acmeSite.name}/messages`, {
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'POST' },
      });
    const allowed = await preflight(acmeSite.origin);
    expect([allowed.status, originOf(allowed)]).toEqual([204, acmeSite.origin]);
    expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(allowed.headers.get('vary')).toBe('Origin');
    const refused = await preflight(globexSite.origin);
    expect([refused.status, originOf(refused)]).toEqual([403, null]);
  });

  it('is nobody without a proof, with one of another site, or with one that has ended', async () => {
    for (const [token, code] of [
      ['', 'signature_missing'],
      [tokenFor('mara', { secret: globexSite.secret }), 'signature_invalid'],
      [tokenFor('mara', { seconds: -60 }), 'signature_expired'],
    ] as const) {
      const headers: Record<string, string> = { origin: acmeSite.origin };
      if (token) headers.authorization = `Bearer ${token}`;
      const body = JSON.stringify({ id: randomUUID(), text: 'x' });
      for (const answer of [
        await ask(`${acmeSite.name}/messages`, { method: 'POST', headers, body }),
        await ask(`${acmeSite.name}/events`, { headers }),
      ]) {
        expect(answer.status).toBe(401);
        expect(await answer.json()).toMatchObject({ error: code });
        expect(originOf(answer)).toBe(acmeSite.origin);
      }
    }
  });

  it('finds a chat by its name or its id, and nothing where there is none or at the path itself', async () => {
    const headers = { origin: acmeSite.origin };
    const begin = (name: string) => ask(`${name}/session`, { method: 'POST', headers, body: '{}' });
    expect((await begin(installation.connectionIds[0])).status).toBe(200);
    for (const name of ['nobody', randomUUID(), '%2e%2e', 'x'.repeat(500)])
      expect([404, 414]).toContain((await begin(name)).status);
    const direct = await ask(installation.connectionIds[0], {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${tokenFor('mara')}` },
      body: JSON.stringify({ id: randomUUID(), text: 'x' }),
    });
    expect(direct.status).toBe(404);
  });

  it('is refused politely with what is no message', async () => {
    const mara = visitor();
    expect((await mara.post('messages', '{"id":')).status).toBe(400);
    expect((await mara.post('messages', { id: randomUUID(), text: 'x'.repeat(70_000) })).status).toBe(413);
    const headers = { origin: acmeSite.origin, authorization: `Bearer ${tokenFor('mara')}` };
    for (const id of ['x', '-1', '1e3', '99999999999999999'])
      expect(
        (await ask(`${acmeSite.name}/events`, { headers: { ...headers, 'last-event-id': id } })).status,
      ).toBe(400);
  });
});

describe('two companies', () => {
  it('and two visitors never see each other’s words, with the same names', async () => {
    const subject = newName();
    const ours = visitor(subject);
    const theirs = createVisitorClient({
      url: app.url,
      connection: globexSite.name,
      token: tokenFor(subject, { secret: globexSite.secret }),
      origin: globexSite.origin,
    });
    const other = visitor();
    await Promise.all([ours.connect(), theirs.connect(), other.connect()]);
    await Promise.all([ours.say('ours'), theirs.say('theirs'), other.say('other')]);
    await Promise.all([ours.answer('ours'), theirs.answer('theirs'), other.answer('other')]);
    expect(texts(ours)).toEqual(['ours', 'You said: ours']);
    expect(texts(theirs)).toEqual(['theirs', 'You said: theirs']);
    expect(texts(other)).toEqual(['other', 'You said: other']);
    const crossed = await fetch(`${app.url}/widget/${globexSite.name}/events`, {
      headers: { origin: globexSite.origin, authorization: `Bearer ${tokenFor(subject)}` },
    });
    expect(crossed.status).toBe(401);
  });
});
