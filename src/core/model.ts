/** One entry of a route, as in konstruct.yaml. */
export interface RouteEntry {
  readonly provider: ProviderName;
  readonly model: string;
  /** Overrides the provider's address; needed for `openai-compatible` and `azure`. */
  readonly baseUrl?: string;
  /** Bedrock: the AWS region whose address is called, unless `baseUrl` names another. */
  readonly region?: string;
  /** Overrides the installation's keys for this provider. Never logged. */
  readonly apiKey?: string;
  /** More of them: the next is taken when one is refused or at its limit. Never logged. */
  readonly apiKeys?: readonly string[];
  /** OpenAI and Azure: which of their two protocols; `responses` unless said. */
  readonly api?: 'responses' | 'chat';
  /** Share of the requests that begin here, among the entries of the route that have a weight. */
  readonly weight?: number;
  /** The longest prompt and answer together, in tokens: a request that is longer goes to the next entry. */
  readonly contextTokens?: number;
  /** The longest answer asked of this model, in tokens. */
  readonly maxOutputTokens?: number;
  /** What it looks at beside text; absent: what its name tells. Of the rest it gets the names. */
  readonly accepts?: readonly FileKind[];
  /** Overrides the price table: for models that it does not have, and for prices of one's own. */
  readonly price?: EntryPrice;
}

/** The longest answer that agents ask of a model whose entry says nothing smaller, in tokens. */
export const MAX_OUTPUT_TOKENS = 4_096;

/** US dollars per million tokens. */
export interface EntryPrice {
  readonly inputUsdPerMillion: number;
  readonly outputUsdPerMillion: number;
  /** Default: as other input. */
  readonly cachedInputUsdPerMillion?: number;
  /** Default: as other input. */
  readonly cacheWriteUsdPerMillion?: number;
}

export const providerNames = [
  'anthropic',
  'openai',
  'google',
  'bedrock',
  'azure',
  'mistral',
  'groq',
  'openrouter',
  'ollama',
  'openai-compatible',
  'demo',
] as const;
export type ProviderName = (typeof providerNames)[number];

/** The installation's keys and address per provider, from the environment. Never logged. */
export type ProviderKeys = Readonly<Partial<Record<ProviderName, ProviderKey>>>;

interface ProviderKey {
  /** Several are separated by commas. */
  readonly apiKey?: string | undefined;
  readonly baseUrl?: string | undefined;
  /** Bedrock: the AWS region. */
  readonly region?: string | undefined;
}

/** A tenant's own keys per provider: its calls use them instead of the installation's. Never logged. */
export type TenantModelKeys = Readonly<Partial<Record<ProviderName, readonly string[]>>>;

/** The same as far as they can be decrypted; `null`: the tenant has keys for this provider that cannot be. */
export type ReadableModelKeys = Readonly<Partial<Record<ProviderName, readonly string[] | null>>>;

/** How much a provider is asked for at a time by this process; what is over waits, tenants taking turns. */
export interface ProviderLimits {
  readonly concurrency?: number;
  readonly tokensPerMinute?: number;
}

/** A named, ordered list of models: the first that works answers. */
export interface Route {
  readonly name: string;
  readonly entries: readonly RouteEntry[];
  /** A second model starts when the first shows no token within this many ms; the loser is cancelled. */
  readonly hedgeAfterMs?: number;
  /** What becomes of a refusal: it is the answer (unless said), or the next model is asked. */
  readonly onRefusal?: 'answer' | 'next';
  readonly timeouts?: RouteTimeouts;
}

/** Deadlines, in ms. */
export interface RouteTimeouts {
  /** Until the connection stands. */
  readonly connectMs?: number;
  /** From the start of a call to its first token. */
  readonly firstTokenMs?: number;
  /** Between two tokens. */
  readonly idleMs?: number;
  /** The request with all its calls and waits. */
  readonly totalMs?: number;
}

export const fileKinds = ['image', 'pdf'] as const;
export type FileKind = (typeof fileKinds)[number];

/** A file that a model looks at itself. Never logged. */
export type PromptFile = {
  readonly name: string;
  readonly mediaType: string;
  readonly content: Uint8Array;
} & (
  | { readonly kind: 'image' }
  /** `textBytes`: its text is no longer, as far as any model reads. */
  | { readonly kind: 'pdf'; readonly pages: number; readonly textBytes: number }
);

export type ModelMessage =
  | {
      readonly role: 'user';
      readonly content: string;
      /** Named in `content`; a model that does not take them gets the names only. */
      readonly files?: readonly PromptFile[];
    }
  | {
      readonly role: 'assistant';
      readonly content: string;
      /** What the model wanted done after saying this; answered by the `tool` message that follows. */
      readonly toolCalls?: readonly ToolCall[];
    }
  | { readonly role: 'tool'; readonly results: readonly ToolResult[] };

/** A JSON schema object (draft 2020-12), as providers take it. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A tool as the model is told of it. */
export interface ToolSpec {
  /** Letters, digits, `_` and `-`, at most 64: what every provider accepts. */
  readonly name: string;
  readonly description: string;
  readonly inputSchema: JsonSchema;
}

/** What the model wants done; one form for all providers. */
export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** The arguments; `null` when what the model wrote is no JSON object, see `rawInput`. */
  readonly input: Readonly<Record<string, unknown>> | null;
  /** The arguments as the model wrote them. */
  readonly rawInput: string;
  /** What the provider wants back unchanged with this call (Gemini's thought signature): keep it with the call. */
  readonly signature?: string;
}

/** What came of a tool call, as the model is told. */
export interface ToolResult {
  readonly callId: string;
  readonly name: string;
  readonly output: string;
  readonly isError: boolean;
}

/** Whose budgets a call counts against, beside the tenant's. */
export interface Spender {
  readonly agentId: string | null;
  /** The person who asked, unique within the tenant: connection id, `:`, the platform's id. */
  readonly personId: string | null;
  readonly turnId: number | null;
}

export interface ModelRequest {
  readonly tenantId: string;
  readonly route: string;
  /** A model to try before those of the route. */
  readonly preferred?: RouteEntry;
  readonly spender?: Spender;
  /** The stable part of the prompt: who the agent is. Unchanged from turn to turn, so that providers can cache it. */
  readonly system: string;
  /** The part that changes (the date, what is remembered); it follows `system` and is never marked for a cache. */
  readonly context?: string;
  readonly messages: readonly ModelMessage[];
  readonly tools?: readonly ToolSpec[];
  /** Default: `auto`. With `none` a model may want calls all the same where its provider has no word for it. */
  readonly toolChoice?: 'auto' | 'none' | 'required';
  /** Asks for an answer that is JSON of this schema. */
  readonly output?: { readonly name: string; readonly schema: JsonSchema };
  /** Requests with the same key share their beginning (a conversation's turns): providers that cache are told. */
  readonly cacheKey?: string;
  readonly maxOutputTokens: number;
  /** The longest that the request may take with all its calls and waits, in ms, where the route allows more. */
  readonly withinMs?: number;
  /**
   * Asked right before each call, the first as well as repetitions and other models, after all waiting: a process that
   * was stopped meanwhile may have lost the turn. `false`: `lease_lost` instead of the call.
   */
  readonly mayStillAsk?: () => boolean;
  readonly signal: AbortSignal;
}

/** Tokens as the provider reports them; `null` where it does not. */
export interface ModelUsage {
  /** All of the prompt, with what was read from or written to a cache. */
  readonly inputTokens: number | null;
  /** All that was generated, reasoning included. */
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly cacheWriteTokens: number | null;
  readonly reasoningTokens: number | null;
}

/**
 * How one call to one model ended: `server_error` is a 5xx other than overload, `unauthorized` a refusal of the key (or
 * its account is out of money), `rejected` one of the request itself (400, 404), `malformed` an empty or unreadable answer, `unconfigured` an entry that could not be
 * called at all (no key, no address), `circuit_open` one that failed so often that it is left alone for a while,
 * `too_long` a prompt beyond the model's window, `over_budget` a call that the budget does not allow, `refused` a
 * refusal that the route does not take for an answer, `outrun` a hedge's loser.
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
  | 'circuit_open'
  | 'too_long'
  | 'over_budget'
  | 'refused'
  | 'outrun'
  | 'aborted';

/** One call to one model, for the step log and the ledger. */
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
  /** From the start of the call to its first token, in ms; `null`: there was none, or it did not stream. */
  readonly firstTokenMs: number | null;
  /** What it used, failed and cancelled attempts included; `null`: nothing that anybody charges for. */
  readonly usage: ModelUsage | null;
  readonly cost: ModelCost | null;
}

/** What a call cost. */
export interface ModelCost {
  /** In 1e-9 US dollars, an integer; `null`: the price of this model is not known. */
  readonly nanoUsd: number | null;
  /** The provider did not say what was used (a cut stream, a cancelled call): counted by us. */
  readonly isEstimated: boolean;
  /** Which version of the price table it was reckoned with; `null` without a price. */
  readonly priceVersion: string | null;
}

export interface ModelResult {
  readonly text: string;
  /** Why the model stopped: done, wants tools called, cut at the output limit, or refused to answer. */
  readonly finish: 'stop' | 'tool_calls' | 'length' | 'refused';
  readonly toolCalls: readonly ToolCall[];
  /** The parsed answer when the request asked for JSON (`output`), otherwise `null`. */
  readonly object: unknown;
  readonly usage: ModelUsage;
  readonly provider: ProviderName;
  readonly model: string;
  /** All calls that were made for this result, the one that answered among them; a hedge's loser too. */
  readonly attempts: readonly ModelAttempt[];
}

/** What a stream yields; the last one is `end`. */
export type ModelEvent =
  | { readonly type: 'text'; readonly text: string }
  /** The model failed after text had come; another begins anew: what was shown is to be replaced. */
  | { readonly type: 'restart' }
  | { readonly type: 'end'; readonly result: ModelResult };

/** The pool of models: picks, falls back and retries; reserves a budget before each call and settles it afterwards. */
export interface ModelPool {
  /**
   * The whole answer at once.
   * @throws KonstructError `model_unavailable` (retry later), `model_rejected`, `budget_exhausted`, `route_unknown`,
   *   `aborted`; `details.attempts` holds the `ModelAttempt`s.
   */
  generate(request: ModelRequest): Promise<ModelResult>;

  /**
   * The answer as it comes. Nothing is read ahead: the next piece is asked of the provider's socket when the consumer
   * asks for it. Leaving the loop cancels the call. Throws like `generate`, while it is iterated.
   */
  stream(request: ModelRequest): AsyncIterable<ModelEvent>;
}
