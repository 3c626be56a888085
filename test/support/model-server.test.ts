import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogle } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ModelServer, startModelServer } from './model-server.ts';

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ apiKey: 'key-1' });
});
afterAll(() => server.close());

const prompt = [
  { role: 'system' as const, content: 'You are Ada.' },
  { role: 'user' as const, content: [{ type: 'text' as const, text: 'Hello' }] },
];

describe('startModelServer', () => {
  it('is understood by the official client of every protocol', async () => {
    const apiKey = 'key-1';
    const models = [
      createAnthropic({ apiKey, baseURL: server.urls.anthropic })('m1'),
      createOpenAI({ apiKey, baseURL: server.urls.openai })('m1'),
      createGoogle({ apiKey, baseURL: server.urls.google })('m1'),
      createOpenAICompatible({ name: 'x', apiKey, baseURL: server.urls['openai-compatible'] })('m1'),
      createOpenAICompatible({ name: 'ollama', baseURL: `${server.urls.ollama}/v1` })('m1'),
    ];
    for (const model of models) {
      const result = await model.doGenerate({ prompt, maxOutputTokens: 100 });
      expect(result.content).toMatchObject([{ type: 'text', text: 'You said: Hello' }]);
      expect(result.finishReason.unified).toBe('stop');
      expect(server.requests.at(-1)).toMatchObject({
        model: 'm1',
        system: 'You are Ada.',
        messages: [{ role: 'user', content: 'Hello' }],
        maxOutputTokens: 100,
      });
    }
  });

  it('refuses a wrong key and a request the provider would refuse', async () => {
    const post = (key: string, body: unknown) =>
      fetch(`${server.urls.anthropic}/messages`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'anthropic-version': '2023-06-01' },
        body: JSON.stringify(body),
      });
    expect((await post('other', {})).status).toBe(401);
    const empty = await post('key-1', {
      model: 'm',
      max_tokens: 5,
      messages: [{ role: 'user', content: '' }],
    });
    expect(empty.status).toBe(400);
    expect(await empty.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'messages: text content blocks must be non-empty' },
    });
  });

  it('answers what was queued first and then what was programmed', async () => {
    const model = createAnthropic({ apiKey: 'key-1', baseURL: server.urls.anthropic })('m1');
    server.respondNext({ status: 529, errorType: 'overloaded_error', headers: { 'retry-after': '3' } });
    await expect(model.doGenerate({ prompt })).rejects.toMatchObject({
      statusCode: 529,
      responseHeaders: expect.objectContaining({ 'retry-after': '3' }),
    });
    server.respond(({ protocol }) => ({ text: `from ${protocol}`, finish: 'length' }));
    const result = await model.doGenerate({ prompt });
    expect(result.content).toMatchObject([{ text: 'from anthropic' }]);
    expect(result.finishReason.unified).toBe('length');
  });
});
