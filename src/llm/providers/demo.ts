import type {
  LanguageModelV4CallOptions,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4ToolCall,
} from '@ai-sdk/provider';
import type { Provider } from '../provider.ts';

const SCRIPTED =
  '_Scripted answer, no model is configured: set `ANTHROPIC_API_KEY` (or `OPENAI_API_KEY`, ' +
  '`GOOGLE_GENERATIVE_AI_API_KEY`, `OLLAMA_BASE_URL`) and start again._';

/**
 * Answers without any model or network, so that a first start shows something true: the message went all the way.
 * Deterministic: the answer depends on the conversation alone.
 */
export const demo: Provider = {
  name: 'demo',
  keyVariable: null,
  baseUrlVariable: null,
  defaultBaseUrl: '',
  defaultModel: 'scripted',
  needsKey: false,
  completeBaseUrl: (baseUrl) => baseUrl,
  authHeaders: () => null,
  openModel: async (_access, { sleep, demoDelayMs }) => ({
    async doGenerate({ prompt, tools, abortSignal }) {
      const call = demoCall(prompt, tools);
      if (call !== null) return { content: [call], ...callEnding, warnings: [] };
      if (demoDelayMs > 0) await sleep(demoDelayMs, abortSignal);
      return { content: [{ type: 'text', text: demoAnswer(prompt) }], ...ending, warnings: [] };
    },
    async doStream({ prompt, tools, abortSignal }) {
      const call = demoCall(prompt, tools);
      if (call !== null) return { stream: ReadableStream.from([call, { type: 'finish', ...callEnding }]) };
      // Word by word, in all as long as the answer that comes as a whole.
      const words = demoAnswer(prompt).match(/\S+\s*/g) ?? [];
      const pauseMs = demoDelayMs / words.length;
      let next = 0;
      return {
        stream: new ReadableStream<LanguageModelV4StreamPart>(
          {
            async pull(controller) {
              if (next === words.length) {
                controller.enqueue({ type: 'finish', ...ending });
                controller.close();
                return;
              }
              if (pauseMs > 0) await sleep(pauseMs, abortSignal);
              controller.enqueue({ type: 'text-delta', id: '1', delta: words[next] ?? '' });
              next += 1;
            },
          },
          { highWaterMark: 0 },
        ),
      };
    },
  }),
};

const ending = {
  finishReason: { unified: 'stop', raw: 'stop' },
  usage: {
    inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
    outputTokens: { total: undefined, text: undefined, reasoning: undefined },
  },
} as const;

const callEnding = { ...ending, finishReason: { unified: 'tool-calls', raw: 'tool_calls' } } as const;

interface Topic {
  readonly pattern: RegExp;
  answer(agentName: string | null): string;
  /** What it calls first, where the agent has that tool: so that buttons and files can be seen without a model, too. */
  readonly call?: { readonly toolName: string; readonly input: object };
}

const topics: readonly Topic[] = [
  {
    pattern: /\b(who are you|your name|introduce yourself|what are you)\b/i,
    answer: (name) =>
      `I am ${name === null ? 'an AI coworker' : `**${name}**, an AI coworker`}. You can @mention me in a channel, ` +
      'write me a DM, or simply go on in a thread where I have answered.',
  },
  {
    pattern: /\b(write|make|send|give|attach)\b[^\n]*\b(file|csv|spreadsheet)\b/i,
    answer: () => 'A file comes with an answer and stands below it. What people attach I can read, too.',
    call: {
      toolName: 'attach_file',
      input: {
        name: 'opening-hours.csv',
        mediaType: 'text/csv',
        content: 'day,from,to\nMonday to Friday,9:00,18:00\nSaturday,10:00,14:00\n',
      },
    },
  },
  {
    pattern: /\b(help|what can you do|how do you work)\b/i,
    call: {
      toolName: 'offer_choices',
      input: { choices: ['Who are you?', 'Write me a file, please'] },
    },
    answer: () =>
      'Three things to try:\n\n' +
      '1. **Ask something** in this thread; no mention is needed while I follow it.\n' +
      '2. **Write two messages quickly**: they become one turn.\n' +
      '3. **Mention me in another channel** and see that threads stay apart.',
  },
  {
    pattern: /\b(thanks|thank you|cheers)\b/i,
    answer: () => 'You are welcome! :wave:',
  },
  {
    pattern: /\b(hello|hi|hey|good (morning|afternoon|evening))\b/i,
    answer: (name) => `Hello!${name === null ? '' : ` ${name} here.`} What can I do for you?`,
  },
];

function demoAnswer(prompt: LanguageModelV4Prompt): string {
  const system = prompt.find((message) => message.role === 'system')?.content ?? '';
  const { text, earlierCount } = questionOf(prompt);
  const known = findInstruction(system, text);
  const topic = topics.find(({ pattern }) => pattern.test(text));
  const said =
    known !== null
      ? `My instructions say about that:\n\n${quote(known)}`
      : (topic?.answer(agentName(system)) ?? `You wrote:\n\n${quote(text)}`);
  return `${said}\n\n${earlier(earlierCount)}\n\n${SCRIPTED}`;
}

/** The call that comes before the answer; `null`: none, or it was made already. */
function demoCall(
  prompt: LanguageModelV4Prompt,
  tools: LanguageModelV4CallOptions['tools'] = [],
): LanguageModelV4ToolCall | null {
  if (prompt.at(-1)?.role !== 'user') return null;
  const system = prompt.find((message) => message.role === 'system')?.content ?? '';
  const { text, earlierCount } = questionOf(prompt);
  const call = topics.find(({ pattern }) => pattern.test(text))?.call;
  if (call === undefined || findInstruction(system, text) !== null) return null;
  if (!tools.some(({ name }) => name === call.toolName)) return null;
  const { toolName, input } = call;
  return { type: 'tool-call', toolCallId: `call_${earlierCount}`, toolName, input: JSON.stringify(input) };
}

/** What was asked last, and how many messages stand before it. */
function questionOf(prompt: LanguageModelV4Prompt): { readonly text: string; readonly earlierCount: number } {
  const said = prompt.filter(
    (message) =>
      message.role === 'user' ||
      (message.role === 'assistant' && message.content.some(({ type }) => type === 'text')),
  );
  const place = said.findLastIndex(({ role }) => role === 'user');
  const parts = said[place]?.content ?? [];
  const texts =
    typeof parts === 'string' ? [parts] : parts.map((part) => (part.type === 'text' ? part.text : ''));
  return { text: texts.join('\n').trim(), earlierCount: place };
}

/** Words shorter than this say little about what a line is about. */
const TELLING_LETTERS = 5;

/** The line of the agent's instructions that shares most words with the question; `null` when none does. */
function findInstruction(system: string, question: string): string | null {
  const section = /^## Instructions\n([\s\S]*?)(?=\n\n## |$(?![\s\S]))/m.exec(system)?.[1] ?? '';
  const asked = new Set(tellingWords(question));
  let best: string | null = null;
  let most = 0;
  for (const line of section.split('\n')) {
    const shared = new Set(tellingWords(line).filter((word) => asked.has(word))).size;
    if (shared > most) [best, most] = [line.trim(), shared];
  }
  return best;
}

/** Singular and plural count as one word. */
function tellingWords(text: string): readonly string[] {
  return (text.toLowerCase().match(/\p{L}+/gu) ?? [])
    .filter((word) => word.length >= TELLING_LETTERS)
    .map((word) => word.replace(/s$/, ''));
}

/** The name in a prompt that begins with `You are Ada, …`; `null` when it is phrased otherwise. */
function agentName(system: string): string | null {
  return /\bYou are (?:\*\*)?(\p{Lu}[\p{L}\p{N}'’-]*)/u.exec(system)?.[1] ?? null;
}

function earlier(count: number): string {
  if (count <= 0) return 'This is the first message of our conversation that I see.';
  return `I also see ${count} earlier ${count === 1 ? 'message' : 'messages'} of our conversation.`;
}

const QUOTE_CHARACTERS = 500;

function quote(text: string): string {
  const cut = text.length > QUOTE_CHARACTERS ? `${text.slice(0, QUOTE_CHARACTERS)}…` : text;
  return cut
    .split('\n')
    .map((line) => `> ${line}`)
    .join('\n');
}
