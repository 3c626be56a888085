import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
});
afterAll(() => installation.stop());

const acme = {
  workspaceId: 'T0ACME00001',
  channelId: 'C0ACMEGENER',
  userId: 'U0ACMEMARA1',
  agent: 'U0ACMEADA01',
};

describe('a mention in a channel', () => {
  it('turns into a placeholder and then the answer, in the thread of the mention', async () => {
    const { simulator, model } = installation;
    const texts: string[] = [];
    const unsubscribe = simulator.subscribe((event) => {
      if (event.type === 'message.posted' || event.type === 'message.changed') {
        if (event.message.isAgent) texts.push(event.message.markdown ?? event.message.text);
      }
    });
    model.respond(() => ({ text: 'Refunds take **14 days**.', delayMs: 50 }));
    const sent = await simulator.say({
      workspaceId: acme.workspaceId,
      channelId: acme.channelId,
      userId: acme.userId,
      text: `<@${acme.agent}> can you check the refund policy?`,
    });
    expect(await sent.acked).toBe(true);
    const answer = await simulator.waitFor(
      (message) => message.isAgent && /14 days/.test(message.markdown ?? message.text),
      5_000,
    );
    unsubscribe();
    expect(answer.threadId).toBe(sent.ts);
    expect(texts).toEqual(['Thinking…', 'Refunds take **14 days**.']);
    const thread = simulator.messages(acme.workspaceId, acme.channelId, sent.ts);
    expect(thread.map(({ isAgent }) => isAgent)).toEqual([false, true]);
    const prompt = model.requests.at(-1);
    expect(prompt?.messages.at(-1)?.content).toBe('Mara Lindqvist: can you check the refund policy?');
    expect(JSON.stringify(prompt?.body)).toContain('Persona of Acme');
  });
});
