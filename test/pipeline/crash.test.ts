import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, until } from '../support/conversation.ts';
import { expireLeases } from '../support/expire-leases.ts';
import { manyChannels, workspaceWithManyChannels } from '../support/many-channels.ts';
import { acme } from '../support/people.ts';
import { retryDelaysMs } from '../support/retry-delays.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';

let installation: Installation;
const processes: ServeProcess[] = [];

afterEach(async () => {
  await Promise.all(processes.splice(0).map((serve) => serve.end('SIGKILL')));
  await installation.stop();
});

async function serve(role: 'all' | 'gateway' | 'worker'): Promise<ServeProcess> {
  const started = await startServeProcess(installation, role);
  processes.push(started);
  if (role !== 'worker') installation.useGateway(started.url);
  return started;
}

const mention = (channelId: string, text: string) => ({
  workspaceId: acme.workspaceId,
  channelId,
  userId: acme.mara,
  text: `<@${acme.agent}> ${text}`,
});

describe('a worker that is asked to stop in the middle of a turn', () => {
  it('finishes what it can and exits with 0', async () => {
    installation = await startInstallation({ app: { role: 'gateway' } });
    const { simulator, model } = installation;
    const worker = await serve('worker');
    model.respond(() => ({ text: 'Just in time.', delayMs: 800 }));
    const sent = await simulator.say(mention(acme.general, 'hello'));
    await until('the model works', () => model.requests.length === 1);
    expect(await worker.end('SIGTERM')).toBe(0);
    expect(agentTexts(installation, sent)).toEqual(['Just in time.']);
    expect(await installation.query('select status from konstruct.turns')).toEqual([{ status: 'answered' }]);
  });
});

describe('a worker that is killed after somebody said stop, before it heard of it', () => {
  it('leaves the end to the next one: the placeholder says so, and no model is asked', async () => {
    installation = await startInstallation({ app: { role: 'gateway' } });
    const { simulator, model } = installation;
    const worker = await serve('worker');
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(mention(acme.general, 'hello'));
    await until('the model works', () => model.requests.length === 1);
    await until('the placeholder stands', () => agentTexts(installation, sent).includes('Thinking…'));
    worker.child.kill('SIGSTOP');
    const { workspaceId, channelId, ts } = sent;
    const stop = await simulator.say({
      ...{ workspaceId, channelId, threadTs: ts, userId: acme.tomas, text: 'stop' },
    });
    expect(await stop.acked).toBe(true);
    expect(await installation.query('select status, cancel from konstruct.turns')).toEqual([
      { status: 'running', cancel: 'stopped' },
    ]);
    await worker.end('SIGKILL');
    await expireLeases(installation, worker);
    await serve('worker');
    await until('it says so', () => agentTexts(installation, sent).join() === 'Stopped.');
    expect(model.requests.length).toBe(1);
  });
});

describe('a worker that is killed while an answer is written in front of people', () => {
  it('leaves the message to the next one, which writes it anew there', { timeout: 60_000 }, async () => {
    installation = await startInstallation({ app: { role: 'gateway' } });
    const { simulator, model } = installation;
    const worker = await serve('worker');
    async function* slowly() {
      for (const word of 'Refunds take 14 days and not a day longer'.split(' ')) {
        yield `${word} `;
        await new Promise((resolve) => setTimeout(resolve, 400));
      }
    }
    model.respondNext({ pieces: slowly(), after: 'hang' });
    const sent = await simulator.say(mention(acme.general, 'hello'));
    await until('half of it stands there', () => agentTexts(installation, sent).join().startsWith('Refunds'));
    await worker.end('SIGKILL');
    await expireLeases(installation, worker);
    model.respond(() => 'Two weeks.');
    await serve('worker');
    await until('it is answered', () => agentTexts(installation, sent).join() === 'Two weeks.');
    expect(model.requests.length).toBe(2);
  });
});

describe('an installation that is killed under load', () => {
  it('answers everything it acked, once, after the restart', { timeout: 90_000 }, async () => {
    installation = await startInstallation({
      app: null,
      workspaces: workspaceWithManyChannels,
      settings: { ratePerMinute: 10_000 },
      simulator: { retryDelaysMs },
    });
    const { simulator, model } = installation;
    const first = await serve('all');
    model.respond(() => ({ text: 'Once.', delayMs: 30 }));
    const sent = [];
    for (let index = 0; index < 30; index += 1) {
      const channelId = index % 3 === 0 ? acme.directMara : (manyChannels[index] as string);
      sent.push(await simulator.say(mention(channelId, `question ${index}`)));
      await new Promise((resolve) => setTimeout(resolve, 15));
      if (index === 15) await first.end('SIGKILL');
      if (index === 20) await serve('all');
    }
    const acked = await Promise.all(sent.map((message) => message.acked));
    expect(acked.every(Boolean)).toBe(true);
    await expireLeases(installation, first);
    await until(
      'all are answered',
      async () => {
        const [open] = await installation.query(`
        select count(*)::int as n from konstruct.messages m left join konstruct.turns t on t.id = m.turn_id
        where m.direction = 'in' and m.addressed and t.status is distinct from 'answered'`);
        return open?.n === 0;
      },
      60_000,
    );
    const answered = await installation.query(
      `select count(*)::int as n from konstruct.messages where direction = 'in'`,
    );
    expect(answered).toEqual([{ n: 30 }]);
    for (const message of sent) {
      const texts = agentTexts(installation, message);
      // A DM is one conversation: messages that wait together get one answer, in the thread of the last.
      if (message.channelId === acme.directMara && texts.length === 0) continue;
      expect(texts, message.ts).toEqual(['Once.']);
    }
  });
});
