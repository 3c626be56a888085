import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureConnections } from './connections.ts';
import { measureAcks } from './measures/acks.ts';
import { measureAddedTime } from './measures/added-time.ts';
import { measureBurst } from './measures/burst.ts';
import { measureDiscordIngest } from './measures/discord-ingest.ts';
import { measureDiscordMemory } from './measures/discord-memory.ts';
import { measureFaults } from './measures/faults.ts';
import { measureGoogleChatIngest } from './measures/google-chat-ingest.ts';
import { measureMattermostIngest, measureMattermostSocketIngest } from './measures/mattermost-ingest.ts';
import type { MeasureContext } from './measures/measure.ts';
import { measureSlackIngest } from './measures/slack-ingest.ts';
import { measureTeamsIngest } from './measures/teams-ingest.ts';
import { measureTelegramIngest } from './measures/telegram-ingest.ts';
import { measureTurns } from './measures/turns.ts';
import { measureWhatsAppIngest } from './measures/whatsapp-ingest.ts';
import { measureWidgetIngest } from './measures/widget-ingest.ts';
import { measureModels } from './model-streams.ts';
import { type BenchResults, formatReport, toJson } from './report.ts';
import { startDatabaseServer } from './support/bench-database.ts';
import { build } from './support/build.ts';
import { type Contender, createContenders, type RunningContender } from './support/contenders.ts';
import { createAnswerWaits } from './support/drive.ts';
import { createEventSource } from './support/events.ts';
import { installBolt } from './support/install-bolt.ts';
import { startStandIns } from './support/stand-ins.ts';

const usage = `npm run bench -- [--only acks,turns] [--rounds 3] [--full] [--alone] [--node=--cpu-prof]

Measures (in this order; --only selects):
  ingest       verifying and parsing requests of every platform: how many a second, and their CPU
  models       what the pool adds to a call and to a streamed chunk, memory of 1,000 streams, hit rate of caches
  acks         acks per second over HTTP, durable
  turns        whole turns per second with a model that answers at once, CPU per turn
  added        time added to a model of 200 ms at 50 messages a second
  burst        2,000 messages over 200 tenants at once, until the last answer
  faults       messages lost and answered twice when the process is killed and when events come twice
  connections  memory of 1,000 connections more over all platforms

--full     the product once more, beside a million messages in 20,000 conversations
--alone    without the peers (bare Node, Bolt)
--node=…   options of Node for the product's processes`;

const measureNames = [
  'ingest',
  'models',
  'acks',
  'turns',
  'added',
  'burst',
  'faults',
  'connections',
] as const;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    full: { type: 'boolean', default: false },
    alone: { type: 'boolean', default: false },
    node: { type: 'string', default: '' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) console.log(usage);
else await runBench();

async function runBench(): Promise<void> {
  const wanted = new Set<string>(flags.only?.split(',') ?? measureNames);
  for (const name of wanted) {
    if (!measureNames.some((known) => known === name)) throw new Error(`There is no "${name}".\n\n${usage}`);
  }
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const startedAt = new Date();
  const name = startedAt.toISOString().replaceAll(':', '-').slice(0, 19);
  const standIns = await startStandIns();
  const server = await startDatabaseServer();
  const built = await build();
  const all = createContenders({
    standIns,
    server,
    logFile: `${folder}${name}.log`,
    folder: built,
    boltFolder: flags.alone ? null : await installBolt(),
    full: flags.full,
    nodeOptions: flags.node.split(' ').filter((option) => option !== ''),
  });
  const crew = createCrew(flags.alone ? all.filter(({ isPeer }) => !isPeer) : all);
  const context: MeasureContext = {
    rounds: Number(flags.rounds),
    standIns,
    events: createEventSource(),
    waits: createAnswerWaits(standIns),
    ...crew,
  };

  try {
    console.error(`Node ${process.version}, ${server.version}, ${cpus().length} cores`);
    const part = async <Result>(measure: string, run: () => Result | Promise<Result>) => {
      if (!wanted.has(measure)) return undefined;
      console.error(`measuring ${measure} …`);
      return await run();
    };
    const measured = {
      ingest: await part('ingest', () => measureSlackIngest()),
      telegramIngest: await part('ingest', () => measureTelegramIngest()),
      whatsappIngest: await part('ingest', () => measureWhatsAppIngest()),
      discordIngest: await part('ingest', () => measureDiscordIngest()),
      discordMemory: await part('ingest', () => measureDiscordMemory()),
      widgetIngest: await part('ingest', () => measureWidgetIngest()),
      mattermostIngest: await part('ingest', () => measureMattermostIngest()),
      mattermostSocketIngest: await part('ingest', () => measureMattermostSocketIngest()),
      teamsIngest: await part('ingest', () => measureTeamsIngest()),
      googleChatIngest: await part('ingest', () => measureGoogleChatIngest()),
      models: await part('models', () => measureModels()),
      acks: await part('acks', () => measureAcks(context)),
      turns: await part('turns', () => measureTurns(context)),
      addedTime: await part('added', () => measureAddedTime(context)),
      peakMemoryMb: wanted.has('turns') ? await crew.peakMemory('turns') : undefined,
      burst: await part('burst', () => measureBurst(context)),
      peakMemoryAfterBurstMb: wanted.has('burst') ? await crew.peakMemory('turns') : undefined,
      faults: await part('faults', () => measureFaults(context)),
      connections: await part('connections', () =>
        measureConnections(1_000, { standIns, server, folder: built }),
      ),
    };
    const results = Object.fromEntries(
      Object.entries(measured).filter(([, result]) => result !== undefined),
    ) as BenchResults;
    console.log(formatReport(results));
    const file = `${folder}${name}.json`;
    writeFileSync(file, toJson(results));
    console.error(`${Math.round((Date.now() - startedAt.getTime()) / 1_000)} s; figures in ${file}`);
  } finally {
    await crew.stop();
    await server.stop();
    await standIns.close();
  }
}

/** Starts contenders when a measure asks for them, and stops all at the end. */
function createCrew(contenders: readonly Contender[]) {
  const started = new Map<string, Promise<readonly RunningContender[]>>();
  const everybody: RunningContender[] = [];
  const fresh = async (what: 'acks' | 'turns'): Promise<readonly RunningContender[]> => {
    const running: RunningContender[] = [];
    for (const contender of contenders) running.push(await contender.start(what));
    everybody.push(...running);
    return running;
  };
  const running = (what: 'acks' | 'turns'): Promise<readonly RunningContender[]> => {
    const known = started.get(what) ?? fresh(what);
    started.set(what, known);
    return known;
  };
  return {
    fresh,
    running,
    peakMemory: async (what: 'acks' | 'turns') =>
      new Map((await running(what)).map((contender) => [contender.name, contender.peakMemoryMb()])),
    stop: async () => {
      for (const contender of everybody) await contender.stop();
    },
  };
}
