import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, ask, idle, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import {
  type Installation,
  type InstallationOptions,
  startInstallation,
} from '../support/start-installation.ts';

let installation: Installation;
afterEach(() => installation.stop());

const mention = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> hello`,
};
const quick = {
  modelRetryDelaysMs: [20, 20],
  deliveryRetryDelaysMs: [20, 20],
  leaseMs: 300,
  renewEveryMs: 100,
  pollEveryMs: 50,
};

async function start(options: InstallationOptions = {}): Promise<Installation> {
  installation = await startInstallation({ ...options, app: { timing: quick, ...options.app } });
  return installation;
}

/** From now on the database refuses what the condition describes, every time. */
async function refuse(table: string, operation: 'insert' | 'update', condition: string): Promise<void> {
  await installation.query(`
    create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$;
    create trigger refuse before ${operation} on konstruct.${table}
      for each row when (${condition}) execute function public.refuse()`);
}

const turns = () => installation.query('select status, error_code from konstruct.turns');
const isDead = () => until('the turn is dead', async () => (await turns())[0]?.status === 'dead');
const events = (name: string) => installation.log.lines.filter(({ event }) => event === name);

describe('an answer with characters that PostgreSQL does not take', () => {
  it('is given without them', async () => {
    const { model } = await start();
    model.respond(() => 'A\u0000B \ud83d');
    const { sent } = await ask(installation, mention);
    expect(agentTexts(installation, sent)).toEqual(['AB \ufffd']);
    await idle(installation);
    expect(model.requests.length).toBe(1);
  });
});

describe('a turn that cannot be written back, for a reason that does not pass,', () => {
  it('ends as a dead letter with an honest sentence when its answer is refused', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Never seen.');
    await refuse('messages', 'insert', `new.direction = 'out'`);
    const sent = await simulator.say(mention);
    await isDead();
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([
      expect.stringMatching(/^Something went wrong on my side; I tried 3 times/),
    ]);
    expect(await turns()).toEqual([{ status: 'dead', error_code: 'internal' }]);
    expect(events('turn.dead')).toHaveLength(1);
  });

  it('ends at once when not even another attempt can be noted', async () => {
    const { simulator, model } = await start();
    model.respond(() => ({ status: 503 }));
    await refuse('steps', 'insert', 'true');
    const sent = await simulator.say(mention);
    await isDead();
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([expect.stringMatching(/^Something went wrong/)]);
    expect(events('turn.dead')).toHaveLength(1);
  });

  it('keeps the answer that stands already, once', async () => {
    const { model } = await start();
    model.respond(() => 'Said.');
    await refuse('deliveries', 'update', `new.kind = 'answer' and new.status = 'sent'`);
    const { sent } = await ask(installation, mention);
    await isDead();
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Said.']);
    expect(model.requests.length).toBe(1);
    expect(events('turn.dead')).toHaveLength(1);
  });

  it('is given up after as many attempts when its workers die of it', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Never seen.');
    // Nothing can be written but the end of a turn that was given up.
    await refuse('messages', 'insert', `new.direction = 'out'`);
    await installation.query(`
      create trigger refuse before update on konstruct.turns for each row
      when (new.attempts < 3 and new.attempts = old.attempts or
            new.attempts > old.attempts and new.error_code is not null)
      execute function public.refuse()`);
    const sent = await simulator.say(mention);
    await isDead();
    await idle(installation);
    expect(events('turn.crashed').length).toBeLessThanOrEqual(4);
    expect(agentTexts(installation, sent)).toEqual([expect.stringMatching(/^Something went wrong/)]);
  });
});

describe('a turn that is given up before anybody recorded its placeholder', () => {
  it('is apologised for where the placeholder stands', async () => {
    const { startApp, simulator, slackApiUrl } = await start({ app: { role: 'gateway' } });
    const sent = await simulator.say(mention);
    expect(await sent.acked).toBe(true);
    // A worker that died four times, the last time right after its placeholder was sent.
    await installation.query(`select konstruct.claim_turns('dead', 1, 0, 60, gen_random_uuid())`);
    await installation.query('update konstruct.turns set attempts = 3');
    const [placeholder] = await installation.query('select id from konstruct.deliveries');
    const metadata = { event_type: 'konstruct_delivery', event_payload: { delivery_id: placeholder?.id } };
    const posted = await fetch(`${slackApiUrl}chat.postMessage`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer xoxb-simulator-acme' },
      body: JSON.stringify({ channel: acme.general, thread_ts: sent.ts, text: 'Thinking…', metadata }),
    });
    expect(await posted.json()).toMatchObject({ ok: true });
    await startApp({ role: 'worker' });
    await isDead();
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([expect.stringMatching(/^Something went wrong/)]);
  });
});

describe('a conversation that cannot be claimed, for a reason that does not pass,', () => {
  it('is set aside for a while, said to be, and keeps no other from being answered', async () => {
    const { simulator, model, tenants } = await start({ app: { role: 'gateway' } });
    model.respond(() => 'Answer.');
    const poison = tenants.find(({ workspace }) => workspace.id === acme.workspaceId);
    await refuse('turns', 'insert', `new.tenant_id = '${poison?.tenantId}'`);
    expect(await (await simulator.say(mention)).acked).toBe(true);
    const others = await Promise.all(
      Array.from({ length: 5 }, () =>
        simulator.say({
          workspaceId: globex.workspaceId,
          channelId: globex.general,
          userId: globex.yuki,
          text: `<@${globex.agent}> hello`,
        }),
      ),
    );
    for (const sent of others) expect(await sent.acked).toBe(true);
    await installation.startApp({ role: 'worker' });
    for (const sent of others) {
      await answerTo(installation, sent);
      expect(agentTexts(installation, sent)).toEqual(['Answer.']);
    }
    expect(events('turn.claim_failed').at(-1)).toMatchObject({
      level: 'error',
      fields: { tenantId: poison?.tenantId, conversationId: expect.any(Number) },
    });

    await installation.query('drop function public.refuse cascade');
    await installation.query(
      'update konstruct.conversations set ready_at = now() where ready_at is not null',
    );
    await until(
      'the first is answered, too',
      async () => (await turns()).filter(({ status }) => status === 'answered').length === 6,
    );
  });
});

describe('a turn whose connection cannot be used', () => {
  it.each([
    [
      'credentials that no key opens',
      `credentials = decode(repeat('00', 60), 'hex')`,
      'credentials_unreadable',
    ],
    ['a channel this installation does not have', `channel = 'pigeon'`, 'not_found'],
  ])('ends as a dead letter: %s', async (_name, change, code) => {
    const { startApp, simulator } = await start({ app: { role: 'gateway' } });
    expect(await (await simulator.say(mention)).acked).toBe(true);
    await installation.query(`update konstruct.connections set ${change}`);
    await startApp({ role: 'worker' });
    await isDead();
    expect(await turns()).toEqual([{ status: 'dead', error_code: code }]);
    expect(events('turn.dead')).toHaveLength(1);
    await idle(installation);
  });
});

describe('a model that asks for a long pause', () => {
  it('is given up honestly instead of leaving the placeholder and the conversation for hours', async () => {
    const { model } = await start();
    model.respond(() => ({ status: 429, headers: { 'retry-after': '86400' } }));
    const { sent } = await ask(installation, mention);
    expect(agentTexts(installation, sent)).toEqual([expect.stringMatching(/^I could not reach my model/)]);
    await idle(installation);
    model.respond(() => 'Here.');
    expect(agentTexts(installation, (await ask(installation, mention)).sent)).toEqual(['Here.']);
  });
});
