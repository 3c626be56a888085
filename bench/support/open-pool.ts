import { setTimeout as wait } from 'node:timers/promises';
import type { BudgetGate } from '../../src/core/budget.ts';
import type { ModelMessage, ModelRequest } from '../../src/core/model.ts';
import { createModelPool } from '../../src/llm/create-model-pool.ts';
import { createKeepAliveFetch } from '../../src/llm/keep-alive-fetch.ts';

export const MODEL = 'claude-sonnet-4-5';
const silent = () => undefined;

/** A pool with one route to one model, on a stand-in. */
export function openPool(baseUrl: string, budget: BudgetGate, fetch = createKeepAliveFetch()) {
  return createModelPool({
    routes: async (name) => ({ name, entries: [{ provider: 'anthropic', model: MODEL }] }),
    keys: { anthropic: { apiKey: 'key', baseUrl } },
    budget,
    clock: Date.now,
    random: Math.random,
    sleep: (ms, signal) => wait(ms, undefined, signal ? { signal } : {}),
    log: { debug: silent, info: silent, warn: silent, error: silent },
    fetch,
  });
}

export function requestOf(messages: readonly ModelMessage[], more: Partial<ModelRequest> = {}): ModelRequest {
  const signal = new AbortController().signal;
  return { tenantId: 't', route: 'default', system: '', messages, maxOutputTokens: 1_000, signal, ...more };
}
