import type { Log } from './log.ts';
import type { JsonSchema } from './model.ts';

/** The tools that every installation has (`src/tools/`); an agent that names none may use all of them. */
export const builtInToolNames = ['current_time', 'read_conversation'] as const;

/** Something an agent may do beside talking. A tool is one file; operators add their own (`examples/`). */
export interface Tool {
  /** Letters, digits, `_` and `-`, at most 64. */
  readonly name: string;
  /** For the model: what it does and when to use it. */
  readonly description: string;
  readonly inputSchema: JsonSchema;
  /** For people, while it runs: "Reading earlier messages". */
  readonly title: string;
  /**
   * Whether a call whose outcome is unknown (the worker died in it) may simply be made again. Otherwise the model is told
   * that its outcome is unknown.
   */
  readonly isRepeatable: boolean;
  /**
   * Does it. The model reads the text that is returned, and the message of an error that is thrown.
   * @param input conforms to `inputSchema`
   */
  run(input: Readonly<Record<string, unknown>>, context: ToolContext): Promise<string>;
}

/** For whom a tool works. It may never look beyond. */
export interface ToolContext {
  readonly tenantId: string;
  readonly agentId: string;
  readonly connectionId: string;
  readonly conversationId: number;
  readonly turnId: number;
  /** The same for every attempt of this call, unique among all calls: for systems that take an idempotency key. */
  readonly idempotencyKey: string;
  /** Aborted at the tool's deadline, when the turn is cancelled and when the worker stops. */
  readonly signal: AbortSignal;
  readonly log: Log;
}
