import { AISDKError, APICallError } from '@ai-sdk/provider';
import type { AttemptOutcome } from '../core/model.ts';
import { AnswerTooLarge, BadAnswer, CONNECT_TIMEOUT, wasNeverSent } from './keep-alive-fetch.ts';
import { retryAfterMs } from './retry-delay.ts';

/** What the pool needs to know of a failed call. Holds no text of the provider, and so neither prompt nor key. */
export interface AttemptFailure {
  readonly outcome: Exclude<AttemptOutcome, 'ok' | 'aborted' | 'outrun'>;
  readonly status: number | null;
  readonly errorType: string | null;
  /** Whether the same request can succeed later without anybody changing anything. */
  readonly transient: boolean;
  readonly retryAfterMs: number | null;
  /** It failed before the connection stood. */
  readonly neverSent?: boolean;
  /**
   * What makes the key useless for all models: the provider does not know it (any more), or its account is out of money.
   * What a key may not do (403) says nothing of other models.
   */
  readonly keyFault?: KeyFault;
}

export type KeyFault = 'refused' | 'spent';

/** 529 is Anthropic's overload: https://platform.claude.com/docs/en/api/errors */
const OVERLOADED_STATUSES: ReadonlySet<number> = new Set([503, 529]);

/** An overload that is told in the middle of a stream, where no status can follow. */
const OVERLOADED_WORDS: ReadonlySet<string> = new Set([
  'overloaded_error',
  'server_overloaded',
  'UNAVAILABLE',
  'ServiceUnavailableException',
  'modelStreamErrorException',
]);
const RATE_WORDS: ReadonlySet<string> = new Set([
  'rate_limit_error',
  'rate_limit_exceeded',
  'RESOURCE_EXHAUSTED',
  'throttlingException',
  'ThrottlingException',
]);

/** OpenAI and those who speak its protocol; the others have a sentence only. */
const TOO_LONG_WORDS: ReadonlySet<string> = new Set(['context_length_exceeded', 'string_above_max_length']);

/**
 * A prompt beyond the window in the words of Anthropic ("prompt is too long: 205000 tokens > 200000 maximum"), Gemini
 * ("The input token count (…) exceeds the maximum number of tokens allowed"), Bedrock ("Input is too long for requested
 * model"), Mistral ("too large for model with 32768 maximum context length") and vLLM ("This model's maximum context
 * length is …"). The sentence is looked at and dropped.
 */
const TOO_LONG =
  /prompt is too long|input is too long|maximum context length|context (length|window)|token count.{0,40}exceeds/i;

/**
 * An account without money, which waiting does not fill. OpenAI says it with 429, in `type` where `code` says more
 * (`credit_balance_exhausted`): https://platform.openai.com/docs/guides/error-codes
 */
const SPENT_WORDS: ReadonlySet<string> = new Set([
  'insufficient_quota',
  'billing_hard_limit_reached',
  'billing_error',
]);

/** The same in the words of Anthropic, whose 400 has no word of its own for it. */
const SPENT = /credit balance is too low|reached your specified API usage limits/i;

/**
 * Azure's filter looks at the prompt before the model does, and what it stops it answers with 400:
 * https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
 */
const FILTERED_PROMPT = 'content_filter';

/** Gemini answers 400 to a wrong key: https://ai.google.dev/gemini-api/docs/troubleshooting */
const INVALID_KEY = 'API_KEY_INVALID';

/**
 * AWS says 403 for credentials that it does not know, as for a model that they may not use:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html,
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
 */
const REFUSED_KEY_WORDS: ReadonlySet<string> = new Set([
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'UnrecognizedClientException',
]);

/**
 * Reads an error of an AI SDK call. The SDK's own error carries the request and the answer in full, so nothing of it
 * is kept but the status, the headers about waiting and the provider's error type.
 */
export function classifyFailure(error: unknown, nowMs: number): AttemptFailure {
  const read = readFailure(error, nowMs);
  return wasNeverSent(error) ? { ...read, neverSent: true } : read;
}

function readFailure(error: unknown, nowMs: number): AttemptFailure {
  const answered = chainOf(error).find(
    (cause) => cause instanceof AnswerTooLarge || cause instanceof BadAnswer,
  );
  if (answered instanceof AnswerTooLarge) {
    return failure('malformed', { status: answered.status, errorType: 'answer_too_large' });
  }
  if (answered instanceof BadAnswer) {
    const { status } = answered;
    return failure(status === null ? 'network' : 'server_error', { status, transient: true });
  }
  if (!APICallError.isInstance(error)) {
    const errorType = systemCode(error);
    if (errorType === CONNECT_TIMEOUT) return failure('timeout', { errorType, transient: true });
    if (errorType !== null) return failure('network', { errorType, transient: true });
    // What the SDK itself objects to in an answer; anything else is a fault of ours, which a retry does not mend.
    const isAnswer = AISDKError.isInstance(error);
    return failure(isAnswer ? 'malformed' : 'rejected', {
      errorType: errorName(error),
      transient: isAnswer,
    });
  }
  const status = error.statusCode ?? null;
  const { type: errorType, retryAfterMs: toldMs, isTooLong, isSpent } = readProviderError(error);
  const known = { status, errorType, retryAfterMs: retryAfterMs(error.responseHeaders, nowMs) ?? toldMs };
  if (status === null) {
    const code = systemCode(error);
    return failure(code === CONNECT_TIMEOUT ? 'timeout' : 'network', { errorType: code, transient: true });
  }
  if (status < 300) {
    const code = systemCode(error);
    if (code !== null) return failure('network', { status, errorType: code, transient: true });
    return failure('malformed', { status, transient: true });
  }
  if (status === 402 || (status < 500 && isSpent))
    return failure('unauthorized', { ...known, keyFault: 'spent' });
  if (status === 429) return failure('rate_limited', { ...known, transient: true });
  if (OVERLOADED_STATUSES.has(status)) return failure('overloaded', { ...known, transient: true });
  if (status === 408 || status === 504) return failure('timeout', { ...known, transient: true });
  if (status >= 500) return failure('server_error', { ...known, transient: true });
  if (status === 413 || (status < 500 && isTooLong)) return failure('too_long', known);
  if (status === 400 && errorType === FILTERED_PROMPT) return failure('refused', known);
  if (status === 409 || status === 425) return failure('rejected', { ...known, transient: true });
  if (status === 401 || status === 403 || errorType === INVALID_KEY) {
    const isKnown = status === 403 && (errorType === null || !REFUSED_KEY_WORDS.has(errorType));
    return failure('unauthorized', isKnown ? known : { ...known, keyFault: 'refused' });
  }
  return failure('rejected', known);
}

/**
 * Reads an error that came in the middle of a stream, after status 200: `{ type: 'overloaded_error', … }`, the same below
 * `error`, or an error of the connection.
 */
export function classifyStreamError(error: unknown, nowMs: number): AttemptFailure {
  const isOurs = chainOf(error).some((cause) => cause instanceof AnswerTooLarge);
  if (isOurs || APICallError.isInstance(error) || systemCode(error) !== null)
    return classifyFailure(error, nowMs);
  const outer = fieldsOf(typeof error === 'string' ? parsed(error) : error);
  const inner = fieldsOf(outer.error);
  const response = fieldsOf(fieldsOf(outer.response).error);
  const words = [
    inner.code,
    inner.type,
    response.code,
    outer.code,
    outer.type,
    inner.status,
    outer.name,
  ].filter(isWord);
  const errorType = words.find((word) => word !== 'error' && word !== 'Error') ?? null;
  const known = { status: 200, errorType, transient: true };
  if (words.some((word) => SPENT_WORDS.has(word)))
    return failure('unauthorized', { ...known, transient: false, keyFault: 'spent' });
  if (errorType !== null && OVERLOADED_WORDS.has(errorType)) return failure('overloaded', known);
  if (errorType !== null && RATE_WORDS.has(errorType)) return failure('rate_limited', known);
  if (AISDKError.isInstance(error)) return failure('malformed', known);
  return failure('server_error', known);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function failure(
  outcome: AttemptFailure['outcome'],
  known: Partial<Omit<AttemptFailure, 'outcome'>>,
): AttemptFailure {
  return { outcome, status: null, errorType: null, transient: false, retryAfterMs: null, ...known };
}

/** A word, not prose: free text could repeat the prompt or the key. */
const WORD = /^[A-Za-z][A-Za-z_]{2,47}$/;

interface ProviderError {
  readonly type: string | null;
  readonly retryAfterMs: number | null;
  readonly isTooLong: boolean;
  readonly isSpent: boolean;
}

/**
 * The error's type in the provider's answer: Anthropic `error.type`, OpenAI `error.code` or `error.type`, Gemini the
 * `reason` in `error.details` or `error.status`. Gemini says there, too, how long to wait:
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
 */
function readProviderError({ responseBody, responseHeaders }: APICallError): ProviderError {
  const body = fieldsOf(parsed(responseBody ?? ''));
  const error = typeof body.error === 'object' ? body.error : body; // Mistral and Bedrock have no wrapping
  const { code, status, type, details, message } = fieldsOf(error);
  const more = Array.isArray(details) ? details.map(fieldsOf) : [];
  const words = [
    ...more.map(({ reason }) => reason),
    code,
    status,
    type,
    // The address of a page may follow the word.
    responseHeaders?.['x-amzn-errortype']?.split(':')[0],
  ].filter(isWord);
  const sentence = typeof message === 'string' ? message : '';
  const seconds = more
    .map(({ retryDelay }) => /^(\d+(?:\.\d+)?)s$/.exec(String(retryDelay))?.[1])
    .find((written) => written !== undefined);
  const found = words[0] ?? null;
  return {
    type: found,
    isTooLong: (found !== null && TOO_LONG_WORDS.has(found)) || TOO_LONG.test(sentence),
    isSpent: words.some((word) => SPENT_WORDS.has(word)) || SPENT.test(sentence),
    retryAfterMs: seconds === undefined ? null : Number(seconds) * 1000,
  };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function isWord(value: unknown): value is string {
  return typeof value === 'string' && WORD.test(value);
}

/** `ERR_INVALID_…` is Node refusing what we gave it (a line break in a key): not the network's fault. */
const SYSTEM_CODE = /^(?!ERR_INVALID)[A-Z][A-Z0-9_]{2,47}$/;

/** The system's code of a failed connection (`ECONNREFUSED`), wherever in the chain of causes it stands. */
function systemCode(error: unknown): string | null {
  const codes = chainOf(error).map((cause) => (cause as { readonly code?: unknown }).code);
  return codes.find((code): code is string => typeof code === 'string' && SYSTEM_CODE.test(code)) ?? null;
}

function chainOf(error: unknown): readonly Error[] {
  const chain: Error[] = [];
  for (let current = error; current instanceof Error && chain.length < 5; current = current.cause) {
    chain.push(current);
  }
  return chain;
}

function errorName(error: unknown): string | null {
  return error instanceof Error && isWord(error.name) ? error.name : null;
}
