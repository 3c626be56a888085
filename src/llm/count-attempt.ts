import type { Metrics } from '../core/metrics.ts';
import type { ModelAttempt, ModelUsage } from '../core/model.ts';

/**
 * Counts one attempt.
 *
 * @param usage as the provider reported it; `null`: it answered nothing; `not called`: it was not asked, which took no time
 *   that says anything about the model
 */
export function countAttempt(
  metrics: Metrics,
  attempt: ModelAttempt,
  usage: ModelUsage | null | 'not called',
): void {
  const { provider, model, outcome, durationMs } = attempt;
  metrics.counter('konstruct_model_attempts_total', { provider, model, outcome }).increment();
  if (usage !== 'not called') {
    metrics.histogram('konstruct_model_attempt_seconds', { provider, model }).observe(durationMs / 1_000);
  }
  const { nanoUsd } = attempt.cost ?? {};
  if (nanoUsd != null)
    metrics.counter('konstruct_model_cost_usd_total', { provider, model }).increment(nanoUsd / 1e9);
  if (usage === null || usage === 'not called') return;
  const tokens = {
    input: usage.inputTokens,
    output: usage.outputTokens,
    cached_input: usage.cachedInputTokens,
    cache_write: usage.cacheWriteTokens,
    reasoning: usage.reasoningTokens,
  };
  for (const [kind, count] of Object.entries(tokens)) {
    if (count === null) continue;
    metrics.counter('konstruct_model_tokens_total', { provider, model, kind }).increment(count);
  }
}
