/** What a provider keeps between calls: beginnings of prompts, by their text. */
export type KeptBeginnings = Set<string>;

export interface CacheReading {
  /** Tokens that were read from the cache. */
  readonly read: number;
  readonly all: number;
}

interface Part {
  readonly type?: string;
  readonly cache_control?: unknown;
}

/**
 * Reads a request in Anthropic's protocol as its cache does: what stands above a mark is kept, and the longest beginning
 * that was kept is read; tools stand before the instructions, and these before the messages. Four characters are a token.
 * Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 */
export function readPromptCache(body: Readonly<Record<string, unknown>>, kept: KeptBeginnings): CacheReading {
  const tools = (body.tools ?? []) as readonly Part[];
  const system = (body.system ?? []) as readonly Part[];
  const messages = body.messages as readonly { readonly role: string; readonly content: readonly Part[] }[];
  const turns = messages.flatMap(({ role, content }) => content.map((part) => ({ role, ...part })));
  let above = '';
  let read = 0;
  const marked: string[] = [];
  for (const { cache_control: mark, ...part } of [...tools, ...system, ...turns]) {
    above += JSON.stringify(part);
    if (kept.has(above)) read = above.length;
    if (mark !== undefined) marked.push(above);
  }
  for (const beginning of marked) kept.add(beginning);
  return { read: Math.floor(read / 4), all: Math.ceil(above.length / 4) };
}
