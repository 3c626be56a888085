import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { agentTexts, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { startServeProcess } from '../support/start-serve-process.ts';

let installation: Installation;
const closing: (() => Promise<unknown>)[] = [];
const closeAll = async (): Promise<void> => {
  for (const close of closing.splice(0).reverse()) await close();
};
beforeEach(() => {
  calls.length = 0;
});

async function start(app?: null): Promise<void> {
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000, streaming: 'native' },
    ...(app === null ? { app } : {}),
  });
  closing.push(() => installation.stop());
  installation.simulator.subscribe((event) => {
    if (event.type === 'api.called') calls.push(`${event.call.method} ${event.call.error ?? 'ok'}`);
  });
}
const calls: string[] = [];
const called = (method: string) => calls.filter((call) => call.startsWith(`${method} `));

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> what is the refund policy?`,
};
const words = ['Refunds ', 'take ', '14 ', 'days, ', 'and ', 'shipping ', 'is ', 'not ', 'refunded.'];
const whole = words.join('');

async function* slowly(pauseMs: number, pieces: readonly string[] = words): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece;
    await sleep(pauseMs);
  }
}

describe('an answer by Slack’s own streaming', () => {
  beforeAll(() => start());
  afterAll(closeAll);

  it('grows in one message that takes the placeholder’s place, and is whole in the end', async () => {
    installation.model.respondNext({ pieces: slowly(200) });
    const sent = await installation.simulator.say(question);
    const seen = new Set<string>();
    await until('it is whole', () => {
      const texts = agentTexts(installation, sent);
      for (const text of texts) seen.add(text);
      return texts.length === 1 && texts[0] === whole;
    });
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([whole]);
    const grown = [...seen].filter((text) => text !== '' && text !== 'Thinking…' && text !== whole);
    expect(grown.length).toBeGreaterThanOrEqual(1);
    for (const text of grown) expect(whole.startsWith(text), text).toBe(true);
    expect(called('chat.startStream')).toEqual(['chat.startStream ok']);
    expect(called('chat.stopStream')).toEqual(['chat.stopStream ok']);
    // It is found by its marker, and the next answer has a placeholder of its own.
    const [message] = installation.simulator
      .messages(acme.workspaceId, acme.general, sent.ts)
      .filter(({ isAgent }) => isAgent);
    expect(message?.metadata?.eventType).toBe('konstruct_delivery');
  });

  it('stays one message when Slack fails in the middle, and when its end is not carried out', async () => {
    const { faults } = installation.simulator;
    faults.add({ kind: 'api_http_error', status: 502, method: 'chat.appendStream', remaining: 1 });
    faults.add({ kind: 'api_http_error', status: 502, method: 'chat.stopStream', remaining: 1 });
    installation.model.respondNext({ pieces: slowly(200) });
    const sent = await installation.simulator.say(question);
    await until('it is whole', () => agentTexts(installation, sent).join() === whole);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([whole]);
    expect(installation.simulator.workspaces.get(acme.workspaceId)?.streams.size).toBe(0);
  });

  it('calls upon nobody, whatever the model writes and wherever it is cut', async () => {
    const pieces = ['Tell <!chan', 'nel> and @he', 're and <@U0', 'ACMETOMA1> that ', 'all ', 'is ', 'well.'];
    installation.model.respondNext({ pieces: slowly(350, pieces) });
    const sent = await installation.simulator.say(question);
    const seen = new Set<string>();
    await until('it is whole', () => {
      const texts = agentTexts(installation, sent);
      for (const text of texts) seen.add(text);
      return texts.length === 1 && texts[0]?.endsWith('well.') === true;
    });
    await idle(installation);
    for (const text of seen) expect(text).not.toMatch(/<!channel>|<@U|(?<![\w@.])@here/);
  });

  it('is shown by edits of the placeholder where Slack refuses, and Slack is not asked again soon', async () => {
    const fault = { kind: 'api_error', error: 'unknown_method', method: 'chat.startStream' } as const;
    installation.simulator.faults.add(fault);
    for (let round = 0; round < 2; round += 1) {
      installation.model.respondNext({ pieces: slowly(300) });
      const sent = await installation.simulator.say(question);
      const seen = new Set<string>();
      await until('it is whole', () => {
        const texts = agentTexts(installation, sent);
        expect(texts.length).toBeLessThanOrEqual(1);
        for (const text of texts) seen.add(text);
        return texts[0] === whole;
      });
      expect([...seen].some((text) => text.endsWith(' …'))).toBe(true);
      await idle(installation);
    }
    expect(called('chat.startStream')).toHaveLength(1);
  });
});

describe('a stream', () => {
  afterAll(closeAll);

  it('that a killed worker has begun is finished by another in the same message', {
    timeout: 60_000,
  }, async () => {
    await start(null);
    const first = await startServeProcess(installation, 'all');
    closing.push(() => first.end('SIGKILL'));
    installation.useGateway(first.url);
    installation.model.respondNext({ pieces: slowly(700) });
    const sent = await installation.simulator.say(question);
    await until('it is being streamed', () => called('chat.appendStream').length > 0, 20_000);
    await first.end('SIGKILL');
    installation.model.respond(() => whole);
    // Its lease is over at once, so that the test need not wait for it.
    await installation.query(
      'update konstruct.conversations set ready_at = now() where ready_at is not null',
    );
    const second = await startServeProcess(installation, 'worker');
    closing.push(() => second.end('SIGKILL'));
    await installation.simulator.waitFor((message) => textOf(message) === whole, 40_000);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([whole]);
    expect(installation.simulator.workspaces.get(acme.workspaceId)?.streams.size).toBe(0);
  });
});
