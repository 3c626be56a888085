import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import {
  type Installation,
  type InstallationOptions,
  startInstallation,
} from '../support/start-installation.ts';
import { startTcpProxy, throughProxy } from '../support/tcp-proxy.ts';

let installation: Installation;
afterEach(() => installation.stop());

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const mention = { ...inGeneral, text: `<@${acme.agent}> hello` };
const quick = { modelRetryDelaysMs: [50, 50], deliveryRetryDelaysMs: [50, 50, 50, 50], pollEveryMs: 50 };

async function start(options: InstallationOptions = {}): Promise<Installation> {
  installation = await startInstallation({ ...options, app: { timing: quick, ...options.app } });
  return installation;
}

describe('what the platform does to events', () => {
  it('answers once what is delivered three times at the same moment', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Once.');
    simulator.faults.update({ faults: [{ kind: 'event_duplicate', copies: 3 }] });
    const { sent } = await ask(installation, mention);
    expect(await sent.acked).toBe(true);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Once.']);
    expect(model.requests.length).toBe(1);
  });

  it('answers once what is retried because the ack got lost', async () => {
    const { simulator, model } = await start({ simulator: { retryDelaysMs: [20, 20, 20] } });
    model.respond(() => 'Once.');
    simulator.faults.update({ faults: [{ kind: 'event_ack_lost' }] });
    const { sent } = await ask(installation, mention);
    await sent.acked;
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Once.']);
    expect(model.requests.length).toBe(1);
  });

  it('answers when only the app_mention arrives, and when only the message arrives', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Here.');
    for (const event of ['message', 'app_mention']) {
      simulator.faults.update({ faults: [{ kind: 'event_drop', event }] });
      const { sent } = await ask(installation, mention);
      await idle(installation);
      expect(agentTexts(installation, sent), event).toEqual(['Here.']);
    }
  });
});

describe('the rate limit', () => {
  it('tells the sender once how many seconds to wait, and costs the database nothing while it lasts', async () => {
    const { simulator, model } = await start({ settings: { ratePerMinute: 2 } });
    model.respond(() => 'Answer.');
    for (let index = 0; index < 2; index += 1) await ask(installation, mention);
    await idle(installation);
    const refused = await simulator.say(mention);
    expect(await refused.acked).toBe(true);
    const notice = await simulator.waitFor((message) => message.visibleToUserId === acme.mara, 5_000);
    expect(textOf(notice)).toMatch(/more than the 2 messages a minute .* wait \d+ seconds/);
    expect(notice.threadId).toBeNull();

    await idle(installation);
    const limited = () =>
      installation.log.lines.filter(({ event }) => event === 'message.rate_limited').length;
    const before = {
      rows: await installation.query('select tokens, refilled_at from konstruct.rate_buckets'),
      limited: limited(),
    };
    for (let index = 0; index < 10; index += 1) expect(await (await simulator.say(mention)).acked).toBe(true);
    expect(limited()).toBe(before.limited); // none of them asked the database
    expect(await installation.query('select tokens, refilled_at from konstruct.rate_buckets')).toEqual(
      before.rows,
    );
    const notices = simulator
      .messages(acme.workspaceId, acme.general)
      .filter(({ visibleToUserId }) => visibleToUserId !== null);
    expect(notices.length).toBe(1);
    expect(model.requests.length).toBe(2);

    const other = await simulator.say({ ...mention, userId: acme.tomas });
    await other.acked;
    await simulator.waitFor((message) => message.visibleToUserId === acme.tomas, 5_000);
    expect(
      await installation.query(`select count(*)::int as n from konstruct.messages where direction = 'in'`),
    ).toEqual([{ n: 2 }]);
  });
});

describe('a model that fails', () => {
  it('is replaced by the next of the route, unseen', async () => {
    const { model } = await start({
      routes: ({ urls }) => ({
        default: [
          { provider: 'anthropic', model: 'claude', baseUrl: urls.anthropic, apiKey: 'a' },
          { provider: 'openai-compatible', model: 'second', baseUrl: urls['openai-compatible'], apiKey: 'b' },
        ],
      }),
    });
    model.respond(({ protocol }) =>
      protocol === 'anthropic' ? { status: 400, errorType: 'invalid_request_error' } : 'From the second.',
    );
    const { sent } = await ask(installation, mention);
    expect(agentTexts(installation, sent)).toEqual(['From the second.']);
    await idle(installation);
    expect(
      await installation.query(
        'select provider, model, outcome, input_tokens is not null as counted from konstruct.steps',
      ),
    ).toEqual([{ provider: 'openai-compatible', model: 'second', outcome: 'stop', counted: true }]);
  });

  it('ends in a sentence of its own when it refuses, was cut at its limit, or says nothing', async () => {
    const { model } = await start();
    model.respond(() => ({ text: '', finish: 'refused' }));
    const refused = await ask(installation, mention);
    expect(textOf(refused.answer)).toBe('My model declined to answer that. Could you put it differently?');
    model.respond(() => ({ text: 'A long story', finish: 'length' }));
    const cut = await ask(installation, mention);
    expect(textOf(cut.answer)).toMatch(/^A long story\n\n\*\(I had to stop here because of the length/);
    model.respond(() => ({ text: '' }));
    const empty = await ask(installation, mention);
    expect(textOf(empty.answer)).toMatch(/^I could not reach my model/);
  });

  it('is tried again with the same placeholder, until it answers', async () => {
    const { model } = await start();
    let calls = 0;
    model.respond(() => (++calls <= 4 ? { status: 503 } : 'At last.'));
    const { sent } = await ask(installation, mention);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['At last.']);
    const [turn] = await installation.query('select status, error_code from konstruct.turns');
    expect(turn?.status).toBe('answered');
  });

  it('is not asked again when it hung for as long as the turn may take', async () => {
    const { model } = await start({
      agent: { limits: { maxTurnSeconds: 1 } },
      app: { timing: { ...quick, answerGraceMs: 200 } },
    });
    model.respond(() => ({ hang: true }));
    const { sent, answer } = await ask(installation, mention);
    expect(textOf(answer)).toMatch(/^I could not reach my model; I tried once/);
    await idle(installation);
    expect(agentTexts(installation, sent)).toHaveLength(1);
    expect(model.requests).toHaveLength(1);
    expect(await installation.query('select status, error_code from konstruct.turns')).toEqual([
      { status: 'dead', error_code: 'model_unavailable' },
    ]);
  });

  it('ends in an honest sentence in the placeholder, and the turn is kept as a dead letter', async () => {
    const { model } = await start();
    model.respond(() => ({ status: 503 }));
    const { sent } = await ask(installation, mention);
    const texts = agentTexts(installation, sent);
    expect(texts).toHaveLength(1);
    expect(texts[0]).toMatch(/^I could not reach my model; I tried 3 times/);
    await idle(installation);
    expect(
      await installation.query('select status, error_code, attempts >= 0 as ok from konstruct.turns'),
    ).toEqual([{ status: 'dead', error_code: 'model_unavailable', ok: true }]);
    expect(installation.log.lines.some(({ event }) => event === 'turn.model_failed')).toBe(true);
    model.respond(() => 'Back again.');
    const again = await ask(installation, mention);
    expect(textOf(again.answer)).toBe('Back again.');
  });
});

describe('Slack that fails', () => {
  it('gets the answer after a 429 on every method', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Patience.');
    simulator.faults.update({
      faults: [
        { kind: 'api_rate_limited', retryAfterSeconds: 1, method: 'chat.postMessage', remaining: 1 },
        { kind: 'api_rate_limited', retryAfterSeconds: 1, method: 'chat.update', remaining: 1 },
      ] as never,
    });
    const { sent } = await ask(installation, mention);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Patience.']);
  });

  it.each(['chat.postMessage', 'chat.update'])(
    'gets one placeholder and one answer although %s did its work and the connection was cut',
    async (method) => {
      const { simulator, model } = await start();
      model.respond(() => 'Only once.');
      simulator.faults.update({ faults: [{ kind: 'api_cut_after', method, remaining: 1 }] });
      const { sent } = await ask(installation, mention);
      await idle(installation);
      expect(agentTexts(installation, sent)).toEqual(['Only once.']);
    },
  );

  it('says so in the placeholder when it refuses the answer itself', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Refused.');
    simulator.faults.update({
      faults: [{ kind: 'api_error', error: 'restricted_action', method: 'chat.update', remaining: 1 }],
    });
    const { sent } = await ask(installation, mention);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([
      'I have an answer, but it was refused when I wanted to post it (restricted_action). Please tell whoever looks after me.',
    ]);
    expect(await installation.query('select status, error_code from konstruct.turns')).toEqual([
      { status: 'dead', error_code: 'platform_rejected' },
    ]);
  });

  it('makes a dead letter of an answer whose channel is gone, without asking the model', async () => {
    const { simulator, model } = await start();
    simulator.faults.update({
      faults: [{ kind: 'api_error', error: 'is_archived', method: 'chat.postMessage' }],
    });
    model.respond(() => ({ text: 'Nobody hears this.', delayMs: 500 }));
    await simulator.say(mention);
    await until(
      'the turn is dead',
      async () =>
        (await installation.query(`select 1 from konstruct.turns where status = 'dead'`)).length === 1,
    );
    expect(await installation.query('select error_code from konstruct.turns')).toEqual([
      { error_code: 'platform_rejected' },
    ]);
    await idle(installation);
  });
});

describe('a message that is deleted while its turn waits for another attempt', () => {
  it('is not answered, and the placeholder does not stay', async () => {
    const { simulator, model } = await start({ app: { timing: { ...quick, modelRetryDelaysMs: [1_000] } } });
    model.respond(() => ({ status: 503 }));
    const sent = await simulator.say(mention);
    await until('the turn waits', () => installation.log.lines.some(({ event }) => event === 'turn.retry'));
    await simulator.deleteMessage(sent);
    model.respond(() => 'Nobody asked.');
    await idle(installation);
    expect(await installation.query('select status, cancel from konstruct.turns')).toEqual([
      { status: 'cancelled', cancel: 'deleted' },
    ]);
    expect(simulator.messages(sent.workspaceId, sent.channelId).filter(({ isAgent }) => isAgent)).toEqual([]);
  });
});

describe('PostgreSQL that is away', () => {
  it('does not cost an answer that the model has given meanwhile: it is written when the database is back', async () => {
    let proxy: Awaited<ReturnType<typeof startTcpProxy>> | undefined;
    const { simulator, model } = await start({
      through: async (databaseUrl) => {
        const { hostname, port } = new URL(databaseUrl);
        proxy = await startTcpProxy({ host: hostname, port: Number(port) });
        return throughProxy(databaseUrl, proxy);
      },
    });
    model.respond(async () => {
      await proxy?.down();
      return 'Kept.';
    });
    const sent = await simulator.say(mention);
    await until('the commit waits', () =>
      installation.log.lines.some(({ event }) => event === 'turn.write_delayed'),
    );
    await proxy?.up();
    await answerTo(installation, sent);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Kept.']);
    expect(model.requests.length).toBe(1);
    await proxy?.close();
  });

  it('makes the gateway answer 503, and what Slack retries then is answered once', async () => {
    let proxy: Awaited<ReturnType<typeof startTcpProxy>> | undefined;
    const { simulator, model } = await start({
      simulator: { retryDelaysMs: [100, 1_500, 3_000] },
      through: async (databaseUrl) => {
        const { hostname, port } = new URL(databaseUrl);
        proxy = await startTcpProxy({ host: hostname, port: Number(port) });
        return throughProxy(databaseUrl, proxy);
      },
    });
    model.respond(() => 'After the storm.');
    await proxy?.down();
    const statuses: (number | null)[] = [];
    simulator.subscribe((event) => {
      if (event.type === 'delivery.attempted') statuses.push(event.delivery.status);
    });
    const health = await fetch(`${installation.app?.url}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({
      status: 'unavailable',
      reason: expect.stringContaining('database'),
    });
    const sent = await simulator.say(mention);
    await until('two refusals', () => statuses.filter((status) => status === 503).length >= 2);
    await proxy?.up();
    expect(await sent.acked).toBe(true);
    await answerTo(installation, sent);
    await until(
      'the queue is idle',
      async () =>
        (await installation.query('select 1 from konstruct.conversations where ready_at is not null'))
          .length === 0,
    );
    expect(agentTexts(installation, sent)).toEqual(['After the storm.']);
    await until('healthy again', async () => (await fetch(`${installation.app?.url}/health`)).status === 200);
    await proxy?.close();
  });
});
