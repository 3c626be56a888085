import type { ControlMessage } from '../../src/simulator/control-api.ts';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import type { Installation } from './start-installation.ts';

const PLACEHOLDER = 'Thinking…';

export interface Utterance {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly userId: string;
  readonly text: string;
  readonly threadTs?: string;
}

/** What stands there while the agent works: with or without the tool that runs, or half of its answer. */
function isPlaceholder(text: string): boolean {
  return text === PLACEHOLDER || text.startsWith(`${PLACEHOLDER} · `) || /\s…_?$/.test(text);
}

/** Text of a message as the person sees it. */
export function textOf(message: ControlMessage): string {
  return message.markdown ?? message.text;
}

/** Waits for the agent's final words in the thread of a message. */
export async function answerTo(
  { simulator }: Pick<Installation, 'simulator'>,
  sent: Pick<SentMessage, 'channelId' | 'ts' | 'threadTs'>,
  matches: (text: string) => boolean = () => true,
  timeoutMs = 10_000,
): Promise<ControlMessage> {
  return simulator.waitFor(
    (message) =>
      message.isAgent &&
      message.channelId === sent.channelId &&
      message.threadId === (sent.threadTs ?? sent.ts) &&
      message.messageId > sent.ts &&
      !isPlaceholder(textOf(message)) &&
      matches(textOf(message)),
    timeoutMs,
  );
}

/** Says something and waits for the answer. */
export async function ask(
  installation: Installation,
  utterance: Utterance,
): Promise<{ sent: SentMessage; answer: ControlMessage }> {
  const sent = await installation.simulator.say(utterance);
  return { sent, answer: await answerTo(installation, sent) };
}

/** What the agent said in a thread, oldest first. */
export function agentTexts(
  installation: Installation,
  sent: Pick<SentMessage, 'workspaceId' | 'channelId' | 'ts' | 'threadTs'>,
): string[] {
  return installation.simulator
    .messages(sent.workspaceId, sent.channelId, sent.threadTs ?? sent.ts)
    .filter(({ isAgent }) => isAgent)
    .map(textOf);
}

/** Resolves when the condition holds; fails with its name after the deadline. */
export async function until(
  name: string,
  condition: () => boolean | Promise<boolean>,
  timeoutMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${name}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Resolves when no turn is open and nothing waits. */
export async function idle(installation: Pick<Installation, 'query'>): Promise<void> {
  await until(
    'the queue is idle',
    async () =>
      (await installation.query('select 1 from konstruct.conversations where ready_at is not null'))
        .length === 0,
    20_000,
  );
}
