import { createRequire } from 'node:module';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { announce, type ContenderOptions } from '../support/contender-process.ts';
import { SIGNING_SECRET } from '../support/events.ts';

/**
 * An app on Bolt as its guides show it, for many workspaces: https://docs.slack.dev/tools/bolt-js. It calls the model by the
 * least there is, or as an app would that is to work with more than one provider: through the AI SDK.
 */
const options = JSON.parse(process.argv[2] ?? '{}') as ContenderOptions & {
  readonly boltFolder: string;
  readonly modelBy: 'fetch' | 'ai-sdk';
};
const { App } = createRequire(join(options.boltFolder, 'package.json'))('@slack/bolt') as Bolt;

/** As much of Bolt's types as is used here: the package is installed for the bench only. */
interface Bolt {
  readonly App: new (
    options: Record<string, unknown>,
  ) => {
    event(name: string, listener: (mention: Mention) => Promise<void>): void;
    start(port: number, listen: { host: string }): Promise<Server>;
    stop(): Promise<unknown>;
  };
}
interface Mention {
  readonly event: { readonly channel: string; readonly ts: string; readonly text: string };
  readonly client: {
    readonly chat: Record<
      'postMessage' | 'update',
      (call: Record<string, unknown>) => Promise<{ ts?: string }>
    >;
  };
}

const app = new App({
  signingSecret: SIGNING_SECRET,
  authorize: async ({ teamId }: { teamId: string }) => {
    const number = teamId.slice('T0BENCH'.length);
    return { botToken: `xoxb-bench-${number}`, botId: `B0BENCH${number}`, botUserId: `U0BENCHB${number}` };
  },
  clientOptions: { slackApiUrl: options.slackApiUrl },
  logLevel: 'error',
});

const askModel = options.modelBy === 'ai-sdk' ? await openAiSdk() : askByFetch;

async function askByFetch(text: string): Promise<string> {
  const response = await fetch(`${options.modelUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer key' },
    body: JSON.stringify({ model: 'bench', messages: [{ role: 'user', content: text }] }),
  });
  const completion = (await response.json()) as { choices: { message: { content: string } }[] };
  return completion.choices[0]?.message.content ?? '';
}

async function openAiSdk(): Promise<(text: string) => Promise<string>> {
  const { generateText } = await import('ai');
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  const model = createOpenAICompatible({ name: 'bench', baseURL: options.modelUrl, apiKey: 'key' })('bench');
  return async (prompt) => (await generateText({ model, prompt })).text;
}

app.event('app_mention', async ({ event, client }) => {
  if (options.acksOnly) return;
  const { channel, ts, text } = event;
  const placeholder = await client.chat.postMessage({ channel, thread_ts: ts, text: 'Thinking…' });
  const answer = await askModel(text);
  await client.chat.update({ channel, ts: placeholder.ts, text: answer });
});

const server = await app.start(options.port, { host: '127.0.0.1' });
announce((server.address() as AddressInfo).port, () => app.stop());
