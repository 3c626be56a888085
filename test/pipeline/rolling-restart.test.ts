import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { rollingRestart, startRollingFleet } from '../support/rolling-fleet.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';

let installation: Installation;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await installation.stop();
});

describe('two gateways and two workers that are replaced one after the other under load', () => {
  it('refuse no request, lose no turn, answer nothing twice, and hand over within a second or so', {
    timeout: 120_000,
  }, async () => {
    installation = await startInstallation({ app: null, settings: { ratePerMinute: 100_000 } });
    // Some turns are longer than a worker may take to stop: those are handed over.
    let calls = 0;
    installation.model.respond(() => {
      calls += 1;
      return { text: 'Once.', delayMs: calls % 4 === 0 ? 2_500 : 100 };
    });
    const fleet = await startRollingFleet(installation);
    closing.push(() => fleet.stop());
    const load = fleet.startLoad({ perSecond: 6 });
    await rollingRestart(fleet);
    const sent = await load.stop();
    expect(fleet.failures).toEqual([]);
    expect(sent.length).toBeGreaterThan(30);
    await until(
      'all are answered',
      async () => {
        const open = await installation.query(
          'select 1 from konstruct.conversations where ready_at is not null limit 1',
        );
        return open.length === 0;
      },
      60_000,
    );
    const turns = await installation.query(
      `select t.status, count(*)::int as turns from konstruct.turns t group by 1`,
    );
    expect(turns).toEqual([{ status: 'answered', turns: sent.length }]);
    for (const message of sent) expect(agentTexts(installation, message), message.ts).toEqual(['Once.']);
    const lines = fleet.lines();
    const handedOver = lines.filter(({ event }) => event === 'turn.handed_over');
    expect(handedOver.length).toBeGreaterThan(0);
    // Whoever takes one over starts the model again: 2.5 s at most, and not a lease's 15 s, until it is answered.
    for (const { turnId, time } of handedOver) {
      const answered = lines.find((line) => line.event === 'turn.answered' && line.turnId === turnId);
      expect(Date.parse(String(answered?.time)) - Date.parse(String(time))).toBeLessThan(10_000);
    }
    expect(fleet.exitCodes()).toEqual([0, 0, 0, 0]);
  });
});

describe('a process that is asked to stop', () => {
  const started: ServeProcess[] = [];
  const serve = async (env: Readonly<Record<string, string>>) => {
    const made = await startServeProcess(installation, 'all', env);
    started.push(made);
    closing.push(() => made.end('SIGKILL'));
    installation.useGateway(made.url);
    return made;
  };
  const askSlowly = async () => {
    installation.model.respond(() => ({ text: 'Late.', delayMs: 60_000 }));
    await installation.simulator.say({
      workspaceId: acme.workspaceId,
      channelId: acme.general,
      userId: acme.mara,
      text: `<@${acme.agent}> hello`,
    });
    await until('the model works', () => installation.model.requests.length === 1);
  };

  it('waits no longer when it is asked twice', async () => {
    installation = await startInstallation({ app: null });
    const process = await serve({ STOP_DEADLINE_SECONDS: '600' });
    await askSlowly();
    process.child.kill('SIGTERM');
    await until('it stops', () => process.lines.some(({ event }) => event === 'serve.stopping'));
    await new Promise((resolve) => setTimeout(resolve, 400)); // closer together they are the same signal, heard twice
    expect(await process.end('SIGTERM')).toBe(1);
  });

  it('hands over what is not done within its deadline', async () => {
    installation = await startInstallation({ app: null });
    const process = await serve({ STOP_DEADLINE_SECONDS: '0' });
    await askSlowly();
    expect(await process.end('SIGTERM')).toBe(0);
    expect(process.lines.map(({ event }) => event)).toContain('turn.handed_over');
    expect(
      await installation.query('select lease_owner, ready_at <= now() as due from konstruct.conversations'),
    ).toEqual([{ lease_owner: null, due: true }]);
  });
});
