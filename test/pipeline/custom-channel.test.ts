import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { channelTable } from '../../src/channel-table.ts';
import { loadChannels } from '../../src/cli/load-extensions.ts';
import { companyChatRequest, startCompanyChat } from '../support/company-chat/start-company-chat.ts';
import { until } from '../support/conversation.ts';
import { startInstallation } from '../support/start-installation.ts';
import { startServeProcess } from '../support/start-serve-process.ts';

const example = fileURLToPath(new URL('../../examples/custom-channel/company-chat.ts', import.meta.url));
const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'konstruct-test-'));
  closing.push(() => rmSync(made, { recursive: true }));
  return made;
}

describe('KONSTRUCT_CHANNELS', () => {
  it('connects a company to the chat of the example, and its question is answered there', {
    timeout: 30_000,
  }, async () => {
    const chat = await startCompanyChat({ 'token-acme': { name: 'acme', rooms: ['lobby'] } });
    closing.push(() => chat.close());
    const installation = await startInstallation({ app: null });
    closing.push(() => installation.stop());
    installation.model.respond(() => 'Fourteen days.');
    // The example's own address of the chat is the one that nothing listens on: the test tells it another.
    const file = join(folder(), 'channel.mjs');
    writeFileSync(
      file,
      `import { channels as all } from ${JSON.stringify(example)};
       export const channels = all.map((each) => ({ ...each, defaultApiUrl: ${JSON.stringify(chat.apiUrl)} }));`,
    );
    const yaml = join(folder(), 'konstruct.yaml');
    writeFileSync(
      yaml,
      `tenants:
  - slug: chatting
    name: Chatting Ltd
    agents: [{ slug: ada, name: Ada }]
    connections:
      - channel: company-chat
        externalId: acme
        agent: ada
        credentials: { token: token-acme, signingSecret: s3cret-of-the-chat }
`,
    );
    const started = await startServeProcess(installation, 'all', {
      KONSTRUCT_CHANNELS: file,
      KONSTRUCT_CONFIG: yaml,
    });
    closing.push(() => started.end('SIGKILL'));
    const [row] = await installation.query(
      `select id from konstruct.connections where channel = 'company-chat'`,
    );
    const question = {
      ...{ id: 'm1', company: 'acme', room: 'lobby', person: { id: 'p1', name: 'Mara' } },
      ...{ text: 'How long may I return it?', mentionsAgent: true },
    };
    const { headers, body } = companyChatRequest(question, 's3cret-of-the-chat', Date.now());
    for (let copy = 0; copy < 2; copy += 1) {
      const response = await fetch(`${started.url}/company-chat/${String(row?.id)}`, {
        method: 'POST',
        headers: headers as Record<string, string>,
        body,
      });
      expect(response.status).toBe(200);
    }
    await until('it is answered', () =>
      [...chat.standing('lobby').values()].some(({ text }) => text === 'Fourteen days.'),
    );
    expect([...chat.standing('lobby').values()]).toMatchObject([{ thread: 'm1', text: 'Fourteen days.' }]);
  });

  it.each([
    [
      'export const channels = [{ type: "No Spaces" }];',
      'channels.0.type is not a channel: must be lower-case',
    ],
    ['export const channel = {};', 'export channels is not a channel'],
    ['throw new Error("half written");', 'cannot be loaded: half written'],
    [
      `import { channels as all } from ${JSON.stringify(example)}; export const channels = [{ ...all[0], type: "slack" }];`,
      'has the name or a path of "slack"',
    ],
    [
      `import { channels as all } from ${JSON.stringify(example)};
       export const channels = [{ ...all[0], webhook: { path: "/slack/events", shared: false } }];`,
      'has the name or a path of "slack"',
    ],
  ])('refuses a file that says %s', async (text, problem) => {
    const file = join(folder(), 'channels.mjs');
    writeFileSync(file, text);
    const refused = await loadChannels([file]).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'config_invalid' });
    expect(String(refused)).toContain(file);
    expect(String(refused)).toContain(problem);
  });

  it('adds to the channels of this version', async () => {
    const types = (await loadChannels([example])).map(({ type }) => type);
    expect(types).toEqual([...channelTable.map(({ type }) => type), 'company-chat']);
  });
});
