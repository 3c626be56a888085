import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DoctorContext, Finding } from '../../src/cli/doctor/check.ts';
import { checkCircuits } from '../../src/cli/doctor/check-circuits.ts';
import { ask, idle, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({
    routes: ({ urls }) => ({
      default: [
        { provider: 'groq', model: 'ill', apiKey: 'k', baseUrl: urls.groq },
        { provider: 'mistral', model: 'locked', apiKey: 'k', baseUrl: urls.mistral },
        { provider: 'openai-compatible', model: 'well', apiKey: 'k', baseUrl: urls['openai-compatible'] },
      ],
    }),
  });
});
afterAll(() => installation.stop());

function look(port: number): Promise<readonly Finding[]> {
  const context = { config: { host: '0.0.0.0', port }, fetch, signal: new AbortController().signal };
  return checkCircuits.run(context as unknown as DoctorContext);
}

it('is told by the process that runs which models and keys it leaves alone, and when nothing runs', async () => {
  const { app, model } = installation;
  const port = Number(new URL(app?.url ?? '').port);
  expect(await look(port)).toMatchObject([
    { level: 'ok', text: expect.stringContaining('leaves no model and no key') },
  ]);
  model.respond(({ protocol }) => {
    if (protocol === 'groq') return { status: 500, errorType: 'api_error' };
    if (protocol === 'mistral') return { status: 401, errorType: 'unauthorized' };
    return 'Still here.';
  });
  for (let turn = 0; turn < 2; turn += 1) {
    const { answer } = await ask(installation, {
      workspaceId: acme.workspaceId,
      channelId: acme.general,
      userId: acme.mara,
      text: `<@${acme.agent}> are you there?`,
    });
    expect(textOf(answer)).toBe('Still here.');
    await idle(installation);
  }
  expect(await look(port)).toMatchObject([
    { level: 'warning', text: 'groq ill failed so often that calls go to the next model (open circuit).' },
    { level: 'warning', text: '1 key of mistral was refused and set aside for 15 minutes.' },
  ]);
  expect(await look(1)).toMatchObject([{ level: 'ok', text: expect.stringContaining('Nothing runs at') }]);
});
