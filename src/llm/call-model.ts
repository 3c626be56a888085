import type { LanguageModelV4Content, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import type { Clock } from '../core/clock.ts';
import type { ModelRequest, ModelUsage } from '../core/model.ts';
import { storable } from '../core/storable.ts';
import { type AttemptFailure, classifyFailure, classifyStreamError } from './classify-failure.ts';
import { AnswerTooLarge } from './keep-alive-fetch.ts';
import type { CallableModel } from './provider.ts';
import { type Answer, readAnswer } from './read-answer.ts';
import type { CallSettings } from './to-prompt.ts';

/** What a call gives, piece by piece; all but `text` are its end. */
export type CallPiece =
  | { readonly kind: 'text'; readonly text: string }
  /** `refusal`: what it was read from, where the provider declined with an error. */
  | { readonly kind: 'answer'; readonly answer: Answer; readonly refusal?: AttemptFailure }
  /** `usage` where the provider said it in spite of the failure. */
  | { readonly kind: 'failure'; readonly failure: AttemptFailure; readonly usage: ModelUsage | null }
  /** It was cancelled from outside. */
  | { readonly kind: 'aborted' };

/** One call to one model that is under way. */
export interface ModelCall {
  /** The next piece; never rejects. After the end it gives the end again. Not called twice at a time. */
  next(): Promise<CallPiece>;
  /** Ends the call: its socket is closed at once and `next` gives `aborted`, even if the provider's code does not react. */
  cancel(): void;
  /** How far it has come. */
  progress(): CallProgress;
}

export interface CallProgress {
  /** From the start to the first token, in ms; `null`: none came, or it does not stream. */
  readonly firstTokenMs: number | null;
  /** How much of an answer has come. */
  readonly receivedBytes: number;
  /** For how long it showed nothing, in ms: before its first sign, after its last one, and in pauses of more than a second. */
  readonly silentMs: number;
}

export interface CallOptions {
  readonly model: CallableModel;
  readonly settings: CallSettings;
  readonly output: ModelRequest['output'];
  readonly maxOutputTokens: number;
  /** Whether the answer is wanted piece by piece. */
  readonly streamed: boolean;
  readonly deadlines: CallDeadlines;
  readonly clock: Clock;
}

/** In ms. */
export interface CallDeadlines {
  /** The whole call. */
  readonly callMs: number;
  /** From the start to the first token, where it streams. */
  readonly firstTokenMs: number;
  /** Between two tokens, while somebody waits for the next. */
  readonly idleMs: number;
}

/** Between the signs of a model that writes there is less; in ms. */
const PAUSE_MS = 1_000;

/** Starts a call. Nothing is read ahead of `next`. */
export function startCall(options: CallOptions): ModelCall {
  const { model, settings, output, maxOutputTokens, streamed, deadlines, clock } = options;
  const controller = new AbortController();
  const startedAtMs = clock();
  let end: CallPiece | null = null;
  let hand: ((piece: CallPiece) => void) | null = null;
  let firstTokenMs: number | null = null;
  let receivedBytes = 0;
  let silentMs = 0;
  let lastSignMs = startedAtMs;

  const timers: NodeJS.Timeout[] = [setTimeout(() => stop(timedOut('call')), Math.max(0, deadlines.callMs))];
  let silence: NodeJS.Timeout | null = null;

  /** Ends the call from our side. */
  function stop(piece: CallPiece): void {
    if (end !== null) return;
    finish(piece);
    controller.abort();
  }

  function finish(piece: CallPiece): void {
    if (end !== null) return;
    end = piece;
    silentMs += clock() - lastSignMs;
    for (const timer of timers) clearTimeout(timer);
    give(piece);
  }

  function give(piece: CallPiece): void {
    const to = hand;
    hand = null;
    to?.(piece);
  }

  /** Something of the model's came: the next silence is counted from now. */
  function heard(bytes: number): void {
    receivedBytes += bytes;
    const nowMs = clock();
    const pauseMs = nowMs - lastSignMs;
    if (firstTokenMs === null || pauseMs > PAUSE_MS) silentMs += pauseMs;
    lastSignMs = nowMs;
    if (firstTokenMs === null) {
      firstTokenMs = nowMs - startedAtMs;
      allowSilence(deadlines.idleMs);
    } else {
      silence?.refresh();
    }
  }

  function allowSilence(ms: number): void {
    silence?.close();
    silence = setTimeout(() => hand !== null && stop(timedOut('idle')), ms);
    timers.push(silence);
  }

  const pull = streamed ? streamPull() : wholePull();

  function wholePull(): () => Promise<void> {
    return async () => {
      const result = await model.doGenerate({ ...settings, maxOutputTokens, abortSignal: controller.signal });
      const text = result.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
      const calls = result.content.filter((part) => part.type === 'tool-call');
      for (const part of result.content) {
        if (part.type === 'text' || part.type === 'reasoning') receivedBytes += Buffer.byteLength(part.text);
        if (part.type === 'tool-call') receivedBytes += Buffer.byteLength(part.input);
      }
      finish(readAnswer({ ...result, text, calls }, output));
    };
  }

  function streamPull(): () => Promise<void> {
    silence = setTimeout(() => stop(timedOut('first_token')), Math.max(0, deadlines.firstTokenMs));
    timers.push(silence);
    let reader: ReadableStreamDefaultReader<LanguageModelV4StreamPart> | null = null;
    const texts: string[] = [];
    /** What has come of the input of tool calls, by call. */
    const inputBytes = new Map<string, number>();
    const calls: Extract<LanguageModelV4Content, { type: 'tool-call' }>[] = [];
    const read = async (from: NonNullable<typeof reader>): Promise<void> => {
      while (end === null) {
        const { value: part, done } = await from.read();
        if (done) {
          finish(cut());
          return;
        }
        switch (part.type) {
          case 'text-delta': {
            if (part.delta === '') break;
            heard(Buffer.byteLength(part.delta));
            const text = storable(part.delta);
            texts.push(text);
            give({ kind: 'text', text });
            return;
          }
          case 'reasoning-delta':
            heard(Buffer.byteLength(part.delta));
            break;
          case 'tool-input-start':
            heard(0);
            // Anthropic sends a long text of an input when it is complete.
            allowSilence(deadlines.idleMs * 2);
            break;
          case 'tool-input-end':
            allowSilence(deadlines.idleMs);
            break;
          case 'tool-input-delta': {
            const bytes = Buffer.byteLength(part.delta);
            inputBytes.set(part.id, (inputBytes.get(part.id) ?? 0) + bytes);
            heard(bytes);
            break;
          }
          case 'tool-call':
            // Not every provider sends the input piece by piece before.
            heard(Math.max(0, Buffer.byteLength(part.input) - (inputBytes.get(part.toolCallId) ?? 0)));
            calls.push(part);
            break;
          case 'error':
            // What follows it says nothing; the connection is not kept for it.
            finish(failed(classifyStreamError(part.error, clock())));
            controller.abort();
            return;
          case 'finish': {
            const { unified, raw } = part.finishReason;
            const came = { ...part, text: texts.join(''), calls };
            // The SDK makes up an ending where the provider's is missing.
            const isCut = raw === undefined && (unified === 'other' || unified === 'interrupted');
            finish(isCut ? cut() : readAnswer(came, output));
            void from.cancel().catch(() => undefined);
            return;
          }
          default:
            break; // metadata, and what frames the deltas
        }
      }
    };
    return async () => {
      if (reader === null) {
        const result = await model.doStream({ ...settings, maxOutputTokens, abortSignal: controller.signal });
        reader = result.stream.getReader();
      }
      await read(reader);
    };
  }

  return {
    next() {
      if (end !== null) return Promise.resolve(end);
      return new Promise((resolve) => {
        hand = resolve;
        if (firstTokenMs !== null) silence?.refresh();
        pull().catch((error: unknown) => {
          if (error instanceof AnswerTooLarge) receivedBytes = Math.max(receivedBytes, error.maxBytes);
          finish(failed(classifyFailure(error, clock())));
        });
      });
    },
    cancel: () => stop({ kind: 'aborted' }),
    progress: () => ({ firstTokenMs, receivedBytes, silentMs }),
  };
}

function failed(failure: AttemptFailure): CallPiece {
  if (failure.outcome === 'refused') return { kind: 'answer', answer: declined, refusal: failure };
  return { kind: 'failure', failure, usage: null };
}

/** Azure charges for a prompt that its filter stopped, and does not say how much. */
const declined: Answer = {
  text: '',
  finish: 'refused',
  toolCalls: [],
  object: null,
  usage: {
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    cacheWriteTokens: null,
    reasoningTokens: null,
  },
};

function timedOut(what: 'call' | 'first_token' | 'idle'): CallPiece {
  return failed({
    outcome: 'timeout',
    status: null,
    errorType: what === 'call' ? null : `${what}_timeout`,
    transient: true,
    retryAfterMs: null,
  });
}

/** The connection ended in order, and the answer did not. */
function cut(): CallPiece {
  const failure: AttemptFailure = {
    outcome: 'network',
    status: 200,
    errorType: 'cut_stream',
    transient: true,
    retryAfterMs: null,
  };
  return failed(failure);
}
