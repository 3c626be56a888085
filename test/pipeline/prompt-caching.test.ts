import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerTo, ask, idle, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type CacheReading, type KeptBeginnings, readPromptCache } from '../support/prompt-cache.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: Installation;
const kept: KeptBeginnings = new Set();
const readings: CacheReading[] = [];

beforeAll(async () => {
  installation = await startInstallation({
    agent: {
      persona: 'Calm, precise, a little dry. '.repeat(40),
      instructions: 'Refunds: 14 days. '.repeat(40),
    },
    routes: (model) => ({
      default: [
        { provider: 'anthropic', model: 'claude-sonnet-4-5', baseUrl: model.urls.anthropic, apiKey: 'k' },
      ],
    }),
  });
});
afterAll(() => installation.stop());

/** Has each turn look at the clock before it answers, and keeps what a cache would have read. */
function answerWithTool(): void {
  installation.model.respond(({ body, messages }) => {
    const reading = readPromptCache(body, kept);
    readings.push(reading);
    const usage = { inputTokens: reading.all, outputTokens: 20, cachedInputTokens: reading.read };
    return messages.at(-1)?.role === 'tool'
      ? { text: `Answer ${readings.length}.`, usage }
      : { ...callTools(['current_time', {}]), usage };
  });
}

describe('what an agent sends to its model', () => {
  it('begins with the same tools, persona and instructions in every turn, and goes on with what was said', async () => {
    const { model, simulator } = installation;
    answerWithTool();
    const say = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
    const { sent } = await ask(installation, { ...say, text: `<@${acme.agent}> question 0` });
    for (let turn = 1; turn < 6; turn += 1) {
      await idle(installation);
      const next = await simulator.say({
        ...say,
        text: `question ${turn} ${'more words '.repeat(20)}`,
        threadTs: sent.ts,
      });
      expect(
        textOf(await answerTo(installation, next, (text) => text === `Answer ${2 * turn + 2}.`)),
      ).toBeTruthy();
    }
    const bodies = model.requests.map(({ body }) => body);
    expect(bodies).toHaveLength(12);
    const stable = ({ tools, system }: Readonly<Record<string, unknown>>) => [
      tools,
      (system as unknown[])[0],
    ];
    for (const body of bodies) expect(stable(body)).toEqual(stable(bodies[0] ?? {}));
    const [persona, changing] = (bodies[0]?.system ?? []) as { text: string; cache_control?: unknown }[];
    expect(persona).toMatchObject({
      text: expect.stringMatching(/^You are /),
      cache_control: { type: 'ephemeral' },
    });
    expect(persona?.text).not.toMatch(/Today is/);
    expect(changing).toMatchObject({ text: expect.stringMatching(/^Today is /) });
    expect(changing).not.toHaveProperty('cache_control');
    // From the second call on everything up to the last question is there already.
    for (const { read, all } of readings.slice(1)) expect(read / all).toBeGreaterThan(0.75);
    const share =
      readings.reduce((sum, { read }) => sum + read, 0) / readings.reduce((sum, { all }) => sum + all, 0);
    expect(share).toBeGreaterThan(0.85);
  });
});
