import { afterEach, describe, expect, it } from 'vitest';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { withTenant } from '../../src/db/with-tenant.ts';
import { replayDeadLetter } from '../../src/stores/replay-dead-letter.ts';
import { until } from '../support/conversation.ts';
import { expireLeases } from '../support/expire-leases.ts';
import { silentLog } from '../support/silent-log.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';
import {
  ACME_GROUP,
  acmeBot,
  mara,
  ready,
  startTelegramInstallation,
  type TelegramInstallation,
} from '../support/telegram/start-telegram-installation.ts';

let installation: TelegramInstallation;
const processes: ServeProcess[] = [];
afterEach(async () => {
  await Promise.all(processes.splice(0).map((serve) => serve.end('SIGKILL')));
  await installation.stop();
});

async function serve(): Promise<ServeProcess> {
  const { telegram, publicUrl } = installation;
  const started = await startServeProcess(
    { ...installation, slackApiUrl: 'http://127.0.0.1:9/api/' },
    'all',
    { TELEGRAM_API_URL: telegram.apiUrl, ...(publicUrl === null ? {} : { KONSTRUCT_PUBLIC_URL: publicUrl }) },
  );
  processes.push(started);
  installation.leadTo(started.url);
  return started;
}

const ada = `@${acmeBot.username}`;
const turns = () => installation.query('select status, error_code from konstruct.turns order by id');

describe('a process that is killed in the middle of a turn', () => {
  it('leaves one placeholder, which another turns into the one answer', { timeout: 60_000 }, async () => {
    installation = await startTelegramInstallation({ events: 'webhook', app: null });
    const { telegram, model } = installation;
    const first = await serve();
    await ready(installation);
    model.respond(() => ({ text: 'Once.', delayMs: 60_000 }));
    await telegram.say(ACME_GROUP, { from: mara, text: `${ada} hello` });
    await until('the placeholder is on record', async () => {
      const known = await installation.query(
        `select 1 from konstruct.deliveries where external_id is not null`,
      );
      return known.length === 1;
    });
    await first.end('SIGKILL');
    await expireLeases(installation, first);
    model.respond(() => 'Once.');
    await serve();
    await until('it is answered', async () => (await turns())[0]?.status === 'answered', 40_000);
    expect(installation.texts(ACME_GROUP)).toEqual(['Once.']);
  });
});

describe('a placeholder that may have arrived', () => {
  it('is not sent again by whoever takes the turn over: two of them would be worse than none', async () => {
    installation = await startTelegramInstallation({ events: 'webhook' });
    const { telegram, model } = installation;
    telegram.faults.push({ method: 'sendMessage', kind: 'cut_after', remaining: 1 });
    model.respond(() => ({ text: 'Never said.', delayMs: 60_000 }));
    await telegram.say(ACME_GROUP, { from: mara, text: `${ada} hello` });
    await until('it stands there', () => installation.texts(ACME_GROUP).length === 1);
    await until('the model works', () => model.requests.length === 1);
    let shown: readonly string[] = [];
    model.respond(async () => {
      await new Promise((resolve) => setTimeout(resolve, 500)); // a second one would stand there by now
      shown = installation.texts(ACME_GROUP);
      return 'Once.';
    });
    // As if its worker had died.
    await installation.query(
      `update konstruct.conversations set lease_owner = 'nobody', fence = fence + 1, ready_at = now()`,
    );
    await until('it is answered', async () => (await turns())[0]?.status === 'answered');
    expect(shown).toEqual(['Thinking…']);
    expect(installation.texts(ACME_GROUP)).toEqual(['Thinking…', 'Once.']);
  });
});

describe('an answer that may have arrived', () => {
  it('is not sent again: the turn is kept as a dead letter', async () => {
    installation = await startTelegramInstallation({ events: 'webhook' });
    const { telegram, model } = installation;
    // Without a placeholder, so that the answer is a new message and no edit.
    telegram.faults.push({ method: 'sendMessage', kind: 'cut_after', remaining: 2 });
    model.respond(() => 'Perhaps.');
    await telegram.say(ACME_GROUP, { from: mara, text: `${ada} hello` });
    await until('the turn has ended', async () => (await turns())[0]?.status === 'dead');
    expect(await turns()).toEqual([{ status: 'dead', error_code: 'delivery_uncertain' }]);
    expect(installation.texts(ACME_GROUP)).toEqual(['Thinking…', 'Perhaps.']);
    // An operator has looked into the chat and wants it to be sent.
    const [dead] = await installation.query('select tenant_id, id from konstruct.turns');
    const database = createDatabase(
      createDatabasePool({ url: installation.databaseUrl, name: 'replay', size: 1, log: silentLog }),
    );
    await withTenant(database, String(dead?.tenant_id), (transaction) =>
      replayDeadLetter(transaction, Number(dead?.id)),
    );
    await database.destroy();
    await until('it is answered', async () => (await turns())[0]?.status === 'answered');
    expect(installation.texts(ACME_GROUP)).toEqual(['Thinking…', 'Perhaps.', 'Perhaps.']);
  });

  it('as an edit is sent again, which changes nothing', async () => {
    installation = await startTelegramInstallation({ events: 'webhook' });
    const { telegram, model } = installation;
    telegram.faults.push({ method: 'editMessageText', kind: 'cut_after', remaining: 1 });
    model.respond(() => 'Certainly.');
    await telegram.say(ACME_GROUP, { from: mara, text: `${ada} hello` });
    await until('it is answered', async () => (await turns())[0]?.status === 'answered');
    expect(installation.texts(ACME_GROUP)).toEqual(['Certainly.']);
  });

  it('but certainly has not is sent when Telegram takes it again', async () => {
    installation = await startTelegramInstallation({
      events: 'webhook',
      app: { timing: { deliveryRetryDelaysMs: [50, 50, 50, 50] } },
    });
    const { telegram, model } = installation;
    telegram.faults.push({ method: 'sendMessage', kind: 'cut_before', remaining: 1 });
    model.respond(() => {
      // The further parts of the answer are refused for longer than one call waits for.
      telegram.faults.push({ method: 'sendMessage', kind: 'limit', retryAfterSeconds: 40, remaining: 1 });
      return Array.from({ length: 12 }, (_, index) => `${index} ${'word '.repeat(100)}`).join('\n\n');
    });
    await telegram.say(mara.id, { from: mara, text: 'tell me everything' });
    await until('the rest waits', async () => {
      const waiting = await installation.query(
        `select 1 from konstruct.deliveries where kind = 'answer' and status = 'pending'`,
      );
      return waiting.length > 0;
    });
    const [turn] = await turns();
    expect(turn?.status).toBe('committed');
  });
});

describe('events that are fetched', () => {
  it('are answered, and by one process at a time: the next one goes on where a killed one stopped', {
    timeout: 60_000,
  }, async () => {
    installation = await startTelegramInstallation({ events: 'polling', app: null });
    const { telegram, model } = installation;
    model.respond(() => 'Fetched.');
    const [first] = [await serve(), await serve()];
    await ready(installation);
    const answer = await installation.answerTo(await telegram.say(mara.id, { from: mara, text: 'one' }));
    expect(answer.text).toBe('Fetched.');
    const fetching = processes.filter(({ lines }) =>
      lines.some(({ event }) => event === 'subscription.fetching'),
    );
    expect(fetching.length).toBeGreaterThan(0);
    await first.end('SIGKILL');
    const saying = telegram.say(mara.id, { from: mara, text: 'two' });
    await saying;
    await until(
      'both are answered',
      () => installation.texts(mara.id).filter((text) => text === 'Fetched.').length === 2,
      40_000,
    );
    expect(installation.texts(mara.id)).toEqual(['Fetched.', 'Fetched.']);
    const conflicts = processes.flatMap(({ lines }) =>
      lines.filter(
        ({ event, platformError }) =>
          event === 'telegram.poll_failed' && /terminated/.test(String(platformError)),
      ),
    );
    expect(conflicts, 'no two fetch for one bot').toEqual([]);
  });

  it('are forgotten by Telegram only when they are stored', async () => {
    installation = await startTelegramInstallation({ events: 'polling' });
    const { telegram, model } = installation;
    model.respond(() => 'Stored first.');
    await installation.query('alter table konstruct.messages add constraint closed check (false) not valid');
    void telegram.say(mara.id, { from: mara, text: 'hold on to this' });
    await until('the gateway has tried', () =>
      installation.log.lines.some(({ event }) => event === 'telegram.poll_failed'),
    );
    expect(telegram.bot(acmeBot.token).pending).toHaveLength(1);
    await installation.query('alter table konstruct.messages drop constraint closed');
    await until('it is answered', () => installation.texts(mara.id).includes('Stored first.'), 20_000);
    await until('it is confirmed', () => telegram.bot(acmeBot.token).pending.length === 0, 20_000);
  });

  it('are answered although one before them can never be stored, and that one is said to be left out', async () => {
    installation = await startTelegramInstallation({ events: 'polling' });
    const { telegram, model, log } = installation;
    model.respond(() => 'Heard.');
    // The reader lets nothing through that it knows of; PostgreSQL has the last word.
    await installation.query(`
      create function konstruct.refuse() returns trigger language plpgsql as $$
      begin
        if new.content = 'not to be stored' then raise exception using errcode = '22008'; end if;
        return new;
      end $$`);
    await installation.query(
      'create trigger refuse before insert on konstruct.messages for each row execute function konstruct.refuse()',
    );
    void telegram.say(mara.id, { from: mara, text: 'not to be stored' });
    void telegram.say(mara.id, { from: mara, text: 'of today' });
    await until('it is answered', () => installation.texts(mara.id).includes('Heard.'), 20_000);
    const skipped = log.lines.filter(({ event }) => event === 'event.skipped');
    expect(skipped).toEqual([expect.objectContaining({ level: 'error' })]);
    const kept = await installation.query("select content from konstruct.messages where direction = 'in'");
    expect(kept).toEqual([{ content: 'of today' }]);
  });
});

describe('a token that Telegram does not take any more', () => {
  it('disables the connection, and says what to do', async () => {
    installation = await startTelegramInstallation({ events: 'polling' });
    const { telegram, log } = installation;
    telegram.revoke(acmeBot.token);
    await until(
      'it is disabled',
      async () => {
        const rows = await installation.query(
          `select disabled_reason from konstruct.connections where status = 'disabled' and external_id = $1`,
          [String(acmeBot.id)],
        );
        return rows[0]?.disabled_reason === 'token_refused';
      },
      20_000,
    );
    expect(log.lines.find(({ event }) => event === 'connection.disabled')?.fields.remedy).toBe(
      'Apply a new token.',
    );
  });
});
