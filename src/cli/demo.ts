import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext } from './command-context.ts';
import type { RunningDev } from './start-dev.ts';

const ANSWER_TIMEOUT_MS = 60_000;
const QUESTION = 'can you check the refund policy?';

/** `konstruct demo` */
export function demoCommand(): Command {
  return new Command('demo')
    .summary('show the way of one message, on free ports and a temporary data folder')
    .description(
      'Starts everything on free ports and a temporary data folder, sends one signed Slack message through the simulator, ' +
        'prints each stage with its time and the answer, and stops.',
    )
    .action(async (_options: unknown, command: Command) => {
      const { config, env } = await createCommandContext(command, 'dev');
      const [{ startDev }, { createLog }] = await Promise.all([
        import('./start-dev.ts'),
        import('../telemetry/create-log.ts'),
      ]);
      const dataDir = await mkdtemp(join(tmpdir(), 'konstruct-demo-'));
      try {
        const startedAtMs = Date.now();
        const dev = await startDev({
          config: {
            ...config,
            ...isolated,
            dataDir,
            slack: { ...config.slack, ...noSlack },
          },
          env,
          log: createLog({ level: env.LOG_LEVEL ? config.logLevel : 'error' }),
          pageDir: join(dataDir, 'no-page'),
          demoDelayMs: 0,
        });
        try {
          console.log(
            `Started in ${Date.now() - startedAtMs} ms: PostgreSQL, gateway and worker at ${dev.url}`,
          );
          await showMessage(dev);
        } finally {
          await dev.stop();
        }
      } finally {
        await rm(dataDir, { recursive: true, force: true });
      }
    });
}

/** Whatever this machine is set up for: the demo touches none of it. */
const isolated = {
  host: '127.0.0.1',
  port: 0,
  databaseUrl: null,
  redis: null,
  masterKey: null,
  configFile: null,
  role: 'all',
} as const;

const noSlack = {
  botToken: null,
  signingSecret: null,
  appToken: null,
  clientId: null,
  clientSecret: null,
} as const;

async function showMessage({ simulator, journeys }: RunningDev): Promise<void> {
  const workspace = simulator?.workspaces.values().next().value;
  const channel = workspace?.seed.channels.find(({ kind }) => kind === 'public');
  const person = workspace?.seed.users[0];
  if (!simulator || !workspace || !channel || !person) {
    throw new KonstructError('internal', 'The simulator has no workspace to speak in.');
  }
  const { id: workspaceId, botUserId, agentName, name } = workspace.seed;
  console.log(`\n${person.name} in #${channel.name} of ${name}:\n  @${agentName} ${QUESTION}\n`);
  const sent = await simulator.say({
    workspaceId,
    channelId: channel.id,
    userId: person.id,
    text: `<@${botUserId}> ${QUESTION}`,
  });
  const delivered = new Promise<void>((resolve) => {
    const unsubscribe = journeys.subscribe((journey) => {
      if (journey.messageId !== sent.ts || journey.outcome === 'running') return;
      unsubscribe();
      resolve();
    });
  });
  const answer = await simulator.waitFor(
    ({ isAgent, threadId, editedAtMs, markdown }) =>
      // Not what is shown of it while it is written.
      isAgent && threadId === sent.ts && editedAtMs !== null && !markdown?.endsWith(' …'),
    ANSWER_TIMEOUT_MS,
  );
  await delivered;
  const journey = journeys.list(workspaceId, channel.id).find(({ messageId }) => messageId === sent.ts);
  const startMs = journey?.startedAtMs ?? 0;
  console.log('  stage           at (ms)   took (ms)');
  for (const { stage, atMs, durationMs, detail } of journey?.stages ?? []) {
    const took = durationMs === null ? '' : durationMs.toFixed(1);
    const at = (atMs - startMs).toFixed(1);
    console.log(`  ${stage.padEnd(14)}${at.padStart(9)}${took.padStart(12)}${detail ? `   ${detail}` : ''}`);
  }
  const text = answer.markdown ?? answer.text;
  console.log(`\n${agentName}, in the thread:\n${text.replaceAll(/^/gm, '  ')}`);
}
