import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { discord } from '../../src/channels/discord/index.ts';
import { systemTime } from '../../src/system-time.ts';
import { startDiscordServer } from '../../test/support/discord/start-discord-server.ts';

export interface DiscordMemoryFigures {
  /** Of one bot in a server with 500 channels and as many threads, in kB of heap. */
  readonly firstBotKilobytes: number;
  /** Of each further one. */
  readonly furtherBotKilobytes: number;
  /** What 20,000 messages leave behind that are for nobody. */
  readonly afterMessagesKilobytes: number;
}

const CHANNELS = 500;
const FURTHER_BOTS = 20;
const MESSAGES = 20_000;

/** The stand-in is this process, and Konstruct's side another one. */
export async function measureDiscordMemory(): Promise<DiscordMemoryFigures> {
  const server = await startDiscordServer();
  const apps = Array.from({ length: FURTHER_BOTS + 1 }, (_, index) => server.addApp({ name: `Bot${index}` }));
  const place = server.addServer('Acme', apps);
  const channels = Array.from({ length: CHANNELS }, () => server.addChannel(place));
  for (const channel of channels) server.addChannel(place, 11, channel);
  const child = fork(fileURLToPath(import.meta.url), ['client'], { execArgv: ['--expose-gc'] });
  const ask = async (question: object): Promise<number> => {
    child.send(question);
    const [answer] = (await once(child, 'message')) as [number];
    return answer;
  };
  const tokens = apps.map(({ id, token }) => ({ id, token }));
  const empty = await ask({ apiUrl: server.apiUrl, bots: tokens.slice(0, 0) });
  const one = await ask({ apiUrl: server.apiUrl, bots: tokens.slice(0, 1) });
  const mara = server.addUser('Mara');
  for (let number = 0; number < MESSAGES; number += 1) {
    const channel = channels[number % CHANNELS];
    if (channel === undefined) break;
    const { id } = server.say(channel, { from: mara, text: `message ${number}` });
    channel.messages.delete(id);
    if (number % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const afterMessages = await ask({ messages: MESSAGES });
  const many = await ask({ apiUrl: server.apiUrl, bots: tokens.slice(1) });
  child.disconnect();
  await once(child, 'exit');
  await server.close();
  return {
    firstBotKilobytes: Math.round((one - empty) / 1_024),
    furtherBotKilobytes: Math.round((many - afterMessages) / FURTHER_BOTS / 1_024),
    afterMessagesKilobytes: Math.round((afterMessages - one) / 1_024),
  };
}

interface Question {
  readonly apiUrl?: string;
  readonly bots?: readonly { readonly id: string; readonly token: string }[];
  readonly messages?: number;
}

/** Opens bots, or waits for messages, and says how much heap is in use then. */
function answerQuestions(): void {
  const never = new AbortController();
  const noLog = { debug() {}, info() {}, warn() {}, error() {} };
  let servers = 0;
  let messages = 0;
  let opened: ReturnType<typeof discord.open> | null = null;
  const log = { ...noLog, info: (name: string) => (servers += name === 'discord.session_ready' ? 1 : 0) };
  process.on('disconnect', () => process.exit(0));
  process.on('message', async ({ apiUrl, bots = [], messages: wanted = 0 }: Question) => {
    if (apiUrl !== undefined) opened ??= discord.open({ apiUrl, ...systemTime, log });
    const before = servers;
    for (const { id, token } of bots) {
      const access = { connectionId: id, externalId: id, credentials: { botToken: token } };
      const receive = async (events: readonly { readonly type: string }[]) => {
        messages += events.filter(({ type }) => type === 'message').length;
      };
      const recall = async () => ({ lastMessageAtMs: null, directChannelIds: [] });
      void opened?.subscription?.byPolling(access, receive, never.signal, recall);
    }
    while (servers < before + bots.length || messages < wanted)
      await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 500));
    globalThis.gc?.();
    process.send?.(process.memoryUsage().heapUsed);
  });
}

if (process.argv[2] === 'client') answerQuestions();
else if (import.meta.main) console.table(await measureDiscordMemory());
