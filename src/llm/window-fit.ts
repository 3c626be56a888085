import type { ModelRequest, RouteEntry } from '../core/model.ts';
import type { PromptSize } from './estimate-tokens.ts';

/** The count takes 3 bytes for a token; no text that people write has more than twice as many to one. */
const TOO_MANY = 2;

/**
 * Whether a request goes into a model's window. `maybe`: by our count, which is rather too high, it does not, and by the
 * model's own it may.
 */
export function windowFit(
  { contextTokens, maxOutputTokens = Number.POSITIVE_INFINITY }: RouteEntry,
  request: ModelRequest,
  size: PromptSize,
): 'yes' | 'maybe' | 'no' {
  if (contextTokens === undefined) return 'yes';
  const left = contextTokens - Math.min(request.maxOutputTokens, maxOutputTokens);
  if (size.likelyTokens <= left) return 'yes';
  return size.likelyTokens <= left * TOO_MANY ? 'maybe' : 'no';
}
