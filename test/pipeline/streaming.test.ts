import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentTexts, ask, idle, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({
    app: { timing: { modelRetryDelaysMs: [200, 200, 200] } },
  });
});
afterAll(() => installation.stop());

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> what is the refund policy?`,
};

const elsewhere = {
  workspaceId: globex.workspaceId,
  channelId: globex.general,
  userId: globex.yuki,
  text: `<@${globex.agent}> what is the refund policy?`,
};

const words = ['Refunds ', 'take ', '14 ', 'days, ', 'and ', 'shipping ', 'is ', 'not ', 'refunded.'];
const whole = words.join('');

async function* slowly(pauseMs: number, pieces: readonly string[] = words): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece;
    await sleep(pauseMs);
  }
}

/** All that stood in the agent's message, in order, until the condition holds. */
async function watch(
  sent: Parameters<typeof agentTexts>[1],
  isOver: (texts: readonly string[]) => boolean,
): Promise<string[]> {
  const seen: string[] = [];
  await until('all was shown', () => {
    const texts = agentTexts(installation, sent);
    expect(texts.length).toBeLessThanOrEqual(1);
    const [text] = texts;
    if (text !== undefined && text !== seen.at(-1)) seen.push(text);
    return isOver(seen);
  });
  return seen;
}

describe('a long answer', () => {
  it('is shown while it is written, in the placeholder, and is whole in the end', async () => {
    installation.model.respondNext({ pieces: slowly(300) });
    const sent = await installation.simulator.say(question);
    const seen = await watch(sent, (texts) => texts.at(-1) === whole);
    const glimpses = seen.slice(1, -1);
    expect(seen[0]).toBe('Thinking…');
    expect(glimpses.length).toBeGreaterThanOrEqual(2);
    for (const glimpse of glimpses) {
      expect(glimpse).toMatch(/ …$/);
      expect(whole.startsWith(glimpse.slice(0, -2))).toBe(true);
    }
    expect(installation.model.requests.at(-1)?.streamed).toBe(true);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([whole]);
  });

  it('that nobody can finish is replaced and not continued, and goes back to the placeholder in between', async () => {
    const half = () => ({ pieces: slowly(200, words.slice(0, 4)), after: 'cut' as const });
    const { model } = installation;
    const before = model.requests.length;
    model.respond(({ streamed }) => {
      expect(streamed).toBe(true);
      return model.requests.length - before <= 3 ? half() : { pieces: slowly(300, ['Two ', 'weeks.']) };
    });
    const sent = await installation.simulator.say(question);
    const seen = await watch(sent, (texts) => texts.at(-1) === 'Two weeks.');
    const first = seen.findIndex((text) => text.startsWith('Refunds'));
    expect(first).toBeGreaterThan(0);
    expect(seen.slice(first)).toContain('Thinking…');
    expect(seen.every((text) => !text.includes('Refunds') || !text.includes('Two'))).toBe(true);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Two weeks.']);
    model.respond(() => whole);
  });

  it('can be stopped while it is written: what was shown of it goes', async () => {
    installation.model.respondNext({ pieces: slowly(500) });
    const sent = await installation.simulator.say(elsewhere);
    await watch(sent, (texts) => texts.some((text) => text.startsWith('Refunds')));
    const stopped = await installation.simulator.say({ ...elsewhere, text: 'stop', threadTs: sent.ts });
    await until('it stops', () => agentTexts(installation, sent).every((text) => !text.includes('Refunds')));
    await installation.model.requests.at(-1)?.abandoned; // the provider's connection is closed
    await idle(installation);
    expect(stopped.ts > sent.ts).toBe(true);
  });

  it('is not shown before it is whole where the connection says so', async () => {
    const { model } = installation;
    await installation.query(`update konstruct.connections set settings = '{"streaming": false}'`);
    try {
      await until('everybody knows', async () => {
        const before = model.requests.length;
        model.respondNext({ text: whole, delayMs: 1_500 }); // slow enough to be watched otherwise
        await ask(installation, question);
        return model.requests.length === before + 1 && model.requests.at(-1)?.streamed === false;
      });
    } finally {
      await installation.query(`update konstruct.connections set settings = '{}'`);
    }
  });

  it('is asked for as a whole where answers come quickly', async () => {
    const { model } = installation;
    for (let round = 0; round < 12; round += 1) {
      model.respondNext('Quick.');
      await ask(installation, question);
    }
    expect(model.requests.at(-1)?.streamed).toBe(false);
  });
});
