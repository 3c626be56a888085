import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { ModelChoice, TurnToAnswer } from '../../src/core/model-choice.ts';
import { ask, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: Installation;
let choose: (turn: TurnToAnswer) => ModelChoice | null;

beforeAll(async () => {
  installation = await startInstallation({
    routes: ({ urls }) => {
      const entry = (model: string) =>
        ({ provider: 'openai-compatible', model, baseUrl: urls['openai-compatible'], apiKey: 'k' }) as const;
      return { default: [entry('usual'), entry('second')], smart: [entry('smart')] };
    },
    app: { chooseModel: (turn) => choose(turn) },
  });
});
afterAll(() => installation.stop());
beforeEach(() => {
  choose = () => null;
});

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> please`,
};
const modelsOf = async () => {
  const before = installation.model.requests.length;
  const { answer } = await ask(installation, question);
  return {
    text: textOf(answer),
    models: installation.model.requests.slice(before).map(({ model }) => model),
  };
};

it('is the agent’s route, unless somebody chooses another for this turn, then for all of its calls', async () => {
  expect((await modelsOf()).models).toEqual(['usual']);
  const seen: TurnToAnswer[] = [];
  choose = (turn) => {
    seen.push(turn);
    return { route: 'smart' };
  };
  installation.model.respondNext(callTools(['current_time', {}]), { text: 'It is noon.' });
  expect(await modelsOf()).toEqual({ text: 'It is noon.', models: ['smart', 'smart'] });
  expect(seen).toMatchObject([
    {
      agent: { route: 'default' },
      channel: 'slack',
      scope: 'channel',
      attempts: 0,
      characters: expect.any(Number),
    },
  ]);
  expect(JSON.stringify(seen)).not.toContain('please');
});

it('may be one of the route before the others, which are still there when it fails', async () => {
  choose = () => ({ preferred: { provider: 'openai-compatible', model: 'second' } });
  expect((await modelsOf()).models).toEqual(['second']);
  installation.model.respondNext({ status: 400, errorType: 'invalid_request_error' });
  expect((await modelsOf()).models).toEqual(['second', 'usual']);
});

it('stays the agent’s when choosing fails, which is logged', async () => {
  choose = () => {
    throw new Error('a rule of somebody’s own');
  };
  expect((await modelsOf()).models).toEqual(['usual']);
  expect(installation.log.lines.map(({ event }) => event)).toContain('turn.model_choice_failed');
});
