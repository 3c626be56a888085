import { crc32 } from 'node:zlib';
import type { ModelMessage, PromptFile } from '../core/model.ts';

/** A message of the conversation as the model shall read it. */
export interface HistoryMessage {
  readonly role: 'user' | 'assistant';
  /** Who wrote it, for messages of people in company; `null`: no name in front. */
  readonly author: string | null;
  readonly text: string;
  /** What the model looks at beside it. */
  readonly files?: readonly PromptFile[];
  /** Belongs to what is to be answered now: never left out. */
  readonly isPending: boolean;
  /** What the platform calls it; always the same. */
  readonly id?: string | null;
}

/** What people and the agent said: no tools in it. */
type SpokenMessage = Exclude<ModelMessage, { readonly role: 'tool' }>;

/** A cautious estimate without a tokenizer: English has about 4 bytes a token, most other languages fewer. */
const BYTES_PER_TOKEN = 3.5;
const TOKENS_PER_MESSAGE = 4;

export function estimateTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text, 'utf8') / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE;
}

/**
 * Only a new message begins at the beginning of a line: whatever a text says, no line of it looks as if another person
 * had said it. (The system prompt tells the model so.)
 */
function indented(text: string): string {
  return text.replace(LINE_BREAK, (lineBreak) => `${lineBreak}  `);
}

const LINE_BREAK = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/g;

/**
 * The conversation within a token budget: whole messages only, the newest first in line; what is to be answered and
 * the first message of a person (what the conversation is about) always stay. A gap is marked. Neighbours of one role
 * are joined, and a person speaks first, as every provider wants it.
 *
 * What is left out goes in bites and not message by message: otherwise each turn of a long conversation would begin
 * differently, and nothing of it could be read from a provider's cache.
 *
 * @param messages oldest first
 * @param isPartial there are older ones than these and the first
 */
export function buildHistory(
  messages: readonly HistoryMessage[],
  tokenBudget: number,
  isPartial = false,
): readonly SpokenMessage[] {
  const lines = messages.map((message) => ({
    ...message,
    content: message.author === null ? message.text : `${message.author}: ${indented(message.text)}`,
  }));
  const first = lines.findIndex(({ role }) => role === 'user');
  const kept = new Set<number>();
  let left = tokenBudget;
  for (const [index, line] of lines.entries()) {
    if (index !== first && !line.isPending) continue;
    kept.add(index);
    left -= estimateTokens(line.content);
  }
  for (let index = lines.length - 1; index > first; index -= 1) {
    const line = lines[index];
    if (!line || kept.has(index)) continue;
    const cost = estimateTokens(line.content);
    if (cost > left) break; // no holes: what is older than this stays out too
    kept.add(index);
    left -= cost;
  }
  const cut = lines.findIndex((_, index) => index > first && kept.has(index));
  if (cut > first + 1 || (isPartial && cut > first)) {
    const steady = steadyCut(lines, cut);
    for (let index = cut; index < steady; index += 1) {
      if (lines[index]?.isPending !== true) kept.delete(index);
    }
  }

  const history: { role: 'user' | 'assistant'; content: string; files?: readonly PromptFile[] }[] = [];
  let isGap = false;
  for (const [index, line] of lines.entries()) {
    if (!kept.has(index)) {
      if (index > first) isGap = true;
      continue;
    }
    const content = isGap ? `[earlier messages left out]\n\n${line.content}` : line.content;
    isGap = isPartial && index === first;
    const last = history.at(-1);
    const files = line.files !== undefined && line.files.length > 0 ? { files: line.files } : {};
    if (last?.role === line.role) {
      last.content += `\n\n${content}`;
      if (files.files) last.files = [...(last.files ?? []), ...files.files];
    } else if (history.length > 0 || line.role === 'user')
      history.push({ role: line.role, content, ...files });
  }
  return history;
}

/** Of eight messages one is a place to cut at, on average. */
const CUT_EVERY = 8;

/**
 * Where to cut instead, so that the next turns cut at the same place: at a message that is chosen by its id alone. No more
 * than half of what would fit is given up for it.
 */
function steadyCut(lines: readonly HistoryMessage[], cut: number): number {
  const latest = cut + Math.floor((lines.length - cut) / 2);
  for (let index = Math.max(cut, 0); index <= latest; index += 1) {
    const { id } = lines[index] ?? {};
    if (id != null && crc32(id) % CUT_EVERY === 0) return index;
  }
  return cut;
}
