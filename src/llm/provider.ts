import type { LanguageModelV4, SharedV4ProviderOptions } from '@ai-sdk/provider';
import type { Sleep } from '../core/clock.ts';
import type { FileKind, ProviderName, RouteEntry } from '../core/model.ts';

/**
 * A provider of models: one small file under `providers/`. It knows where the provider is, what it needs and how its
 * AI SDK package is opened; everything about retries, time and failures is the pool's.
 */
export interface Provider {
  readonly name: ProviderName;
  /** Environment variables that configure it; `null` where there is none. */
  readonly keyVariable: string | null;
  /** What else may stand in for the key, all together. */
  readonly moreKeyVariables?: readonly string[];
  readonly baseUrlVariable: string | null;
  /** Where it is unless configured otherwise; `null`: it has no address of its own. */
  readonly defaultBaseUrl: string | null;
  /** Its address in a region, where it has one in each. */
  regionalBaseUrl?(region: string): string;
  /** The model for an installation that stored no route; `null`: there is no sensible guess. */
  readonly defaultModel: string | null;
  /** Whether calls without a key are pointless. */
  readonly needsKey: boolean;
  /** What is wrong with a key, where that can be told without asking, with what to do. Holds nothing of the key. */
  keyProblem?(apiKey: string): string | null;
  /** What it tells for nothing: its models (unless said), only whether a key is right, or nothing. */
  readonly tells?: 'models' | 'key' | 'nothing';
  /** What its model names look like, where a mistake can be told without asking. */
  readonly modelShape?: { readonly pattern: RegExp; readonly example: string };
  /** Completes an address that people write without its version (`https://api.anthropic.com`). */
  completeBaseUrl(baseUrl: string): string;
  /** Headers that authenticate a plain HTTP request, for `checkProvider`; `null`: there is no HTTP behind it. */
  authHeaders(apiKey: string | null): Readonly<Record<string, string>> | null;
  /** Opens a model; loads the provider's package on first use. */
  openModel(access: ModelAccess, io: ProviderIo): Promise<CallableModel>;
  /** What a model of this name looks at beside text; absent: nothing. A route entry can say otherwise. */
  accepts?(model: string): readonly FileKind[];
  /** The most tokens that one picture can come to; absent: the most of any provider. */
  maxImageTokens?(model: string): number;
  /** How prompts for this model are written. */
  promptStyle?(model: string): PromptStyle;
  /** Settings sent with every call. `cacheKey`: what calls that share their beginning have in common. */
  callOptions?(call: { readonly cacheKey: string | null }): SharedV4ProviderOptions;
}

/** Where providers differ in what they accept as a prompt. */
export interface PromptStyle {
  /** Only one system message is taken, or only one is certain to be. */
  readonly oneSystemMessage?: boolean;
  /** There is no word for tools that may not be called; left out, their earlier results are refused. */
  readonly cannotForbidTools?: boolean;
  /** Behind the results of tools only the model may speak: what a person says there (`user`) is refused. */
  readonly bridgesTools?: boolean;
  /** Put on a message up to which the provider should cache. */
  readonly cacheMark?: SharedV4ProviderOptions;
  /** Makes an id of a tool call that the provider accepts of one that another provider made. */
  toolCallId?(id: string): string;
}

/** The two methods of an AI SDK model that the pool uses; see docs/decisions/0003-model-calls.md. */
export type CallableModel = Pick<LanguageModelV4, 'doGenerate' | 'doStream'>;

/** A route entry with everything resolved. Holds a key: never logged. */
export interface ModelAccess {
  readonly provider: Provider;
  readonly model: string;
  readonly api: NonNullable<RouteEntry['api']>;
  /** What the model looks at beside text. */
  readonly accepts: readonly FileKind[];
  /** Complete, without a slash at the end; empty for a provider without HTTP. */
  readonly baseUrl: string;
  readonly apiKey: string | null;
  /** The region that is configured; `null`: none, or the provider has none. */
  readonly region: string | null;
}

/** What providers may use of the outside world. */
export interface ProviderIo {
  readonly fetch: typeof globalThis.fetch;
  readonly sleep: Sleep;
  /** How long the `demo` provider seems to think, in ms. */
  readonly demoDelayMs: number;
}
