import { afterAll, beforeAll, expect, it } from 'vitest';
import { answerTo, idle, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({
    settings: { ratePerMinute: 10_000 },
    routes: (model) => ({
      default: [
        {
          provider: 'openai-compatible',
          model: 'test',
          baseUrl: model.urls['openai-compatible'],
          apiKey: 'k',
          accepts: ['pdf'],
        },
      ],
    }),
  });
});
afterAll(() => installation.stop());

const place = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const pdf = Buffer.from('%PDF-1.4\n1 0 obj << /Type /Page >> endobj\n%%EOF');
const csv = Buffer.from('day,hours\nMonday,8\n');

it('looks at the files that stood in a thread before it was called there', async () => {
  const { simulator, model } = installation;
  const fileOf = (name: string, mediaType: string, content: Uint8Array) => ({
    name,
    mediaType,
    sizeBytes: content.length,
    content,
  });
  const root = await simulator.say({
    ...place,
    text: 'the plan',
    files: [fileOf('plan.pdf', 'application/pdf', pdf), fileOf('hours.csv', 'text/csv', csv)],
  });
  await root.acked;
  expect(model.requests).toEqual([]);
  model.respondNext(
    callTools(['read_attachment', { name: 'plan.pdf' }], ['read_attachment', { name: 'hours.csv' }]),
    'It fits on one page.',
  );
  const text = `<@${acme.agent}> sum up the file above`;
  const called = await simulator.say({ ...place, threadTs: root.ts, text });
  expect(textOf(await answerTo(installation, called))).toBe('It fits on one page.');
  await idle(installation);
  const [asked, shown] = model.requests;
  const prompt = asked?.messages.map(({ content }) => content).join('\n');
  expect(prompt).toContain('[attached file: plan.pdf (application/pdf)]');
  expect(prompt).toContain('[attached file: hours.csv (text/csv)]');
  const read = shown?.messages.map(({ content }) => content).join('\n');
  expect(read).toContain(`‹application/pdf ${pdf.length} bytes›`);
  expect(read).toContain('Monday,8');
});
