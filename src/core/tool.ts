import type { Attachment } from './channel-event.ts';
import type { Log } from './log.ts';
import type { JsonSchema, PromptFile } from './model.ts';
import type { ClaimedTurn } from './turn.ts';

/** The tools that every installation has (`src/tools/`); an agent that names none may use all of them. */
export const builtInToolNames = [
  'current_time',
  'read_conversation',
  'read_attachment',
  'offer_choices',
  'attach_file',
  'react',
] as const;

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
  run(input: Readonly<Record<string, unknown>>, context: ToolContext): Promise<string | ToolOutput>;
}

/** What a tool gives that has more than text. */
export interface ToolOutput {
  readonly text: string;
  /** Sent behind the answer, where the platform takes files; the model is told what became of them. */
  readonly files?: readonly ToolFile[];
  /** For the model to look at, if it can. Not kept: a worker that takes the turn over does not have them. */
  readonly shows?: readonly PromptFile[];
}

export interface ToolFile {
  readonly name: string;
  readonly mediaType: string;
  /** At most 1,000,000 bytes. */
  readonly content: Uint8Array | string;
}

/** A built-in tool that depends on where the turn takes place. */
export interface TurnTool {
  readonly name: string;
  /**
   * `null`: it is of no use there, and the model is not told of it.
   * @param threadFiles of messages that were read on the platform for this turn, oldest first
   */
  forTurn(turn: ClaimedTurn, threadFiles: readonly Attachment[]): Tool | null;
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
