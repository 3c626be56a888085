/** One entry of a route, as in konstruct.yaml. */
export interface RouteEntry {
  readonly provider: ProviderName;
  readonly model: string;
  /** Overrides the provider's address; needed for `openai-compatible`. */
  readonly baseUrl?: string;
  /** Overrides the installation's key for this provider. Never logged. */
  readonly apiKey?: string;
}

export const providerNames = [
  'anthropic',
  'openai',
  'google',
  'openai-compatible',
  'ollama',
  'demo',
] as const;
export type ProviderName = (typeof providerNames)[number];

/** The installation's key and address per provider, from the environment. Never logged. */
export type ProviderKeys = Readonly<Partial<Record<ProviderName, ProviderKey>>>;

interface ProviderKey {
  readonly apiKey?: string | undefined;
  readonly baseUrl?: string | undefined;
}

/** A named, ordered list of models: the first that works answers. */
export interface Route {
  readonly name: string;
  readonly entries: readonly RouteEntry[];
}

export interface ModelMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface ModelRequest {
  readonly tenantId: string;
  readonly route: string;
  /** The stable part of the prompt: who the agent is. */
  readonly system: string;
  readonly messages: readonly ModelMessage[];
  readonly maxOutputTokens: number;
  readonly signal: AbortSignal;
}

/** Tokens as the provider reports them; `null` where it does not. */
export interface ModelUsage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly reasoningTokens: number | null;
}

/**
 * How one call to one model ended: `server_error` is a 5xx other than overload, `rejected` a refusal of the request
 * itself (400, 404, spent quota), `malformed` an empty or unreadable answer, `unconfigured` an entry that could not be
 * called at all (no key, no address).
 */
export type AttemptOutcome =
  | 'ok'
  | 'timeout'
  | 'rate_limited'
  | 'overloaded'
  | 'server_error'
  | 'network'
  | 'unauthorized'
  | 'rejected'
  | 'malformed'
  | 'unconfigured'
  | 'aborted';

/** One call to one model, for the step log. */
export interface ModelAttempt {
  readonly provider: ProviderName;
  readonly model: string;
  readonly outcome: AttemptOutcome;
  /** HTTP status; `null` when there was no HTTP answer. */
  readonly status: number | null;
  /** The provider's or system's own word for a failure (`rate_limit_error`, `ECONNREFUSED`). Never free text. */
  readonly errorType: string | null;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export interface ModelResult {
  readonly text: string;
  /** Why the model stopped: done, cut at the output limit, or refused to answer. */
  readonly finish: 'stop' | 'length' | 'refused';
  readonly usage: ModelUsage;
  readonly provider: ProviderName;
  readonly model: string;
  readonly attempts: readonly ModelAttempt[];
}

/** The pool of models: picks, falls back and retries. */
export interface ModelPool {
  /**
   * @throws KonstructError `model_unavailable` (retry later), `model_rejected`, `route_unknown`, `aborted`;
   *   `details.attempts` holds the `ModelAttempt`s.
   */
  generate(request: ModelRequest): Promise<ModelResult>;
}
