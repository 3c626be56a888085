import { Command } from 'commander';
import { type CommandContext, createCommandContext } from './command-context.ts';
import type { RunningDev } from './start-dev.ts';

/** The scripted model takes a moment, so that a person sees the placeholder. */
const DEMO_DELAY_MS = 900;

/** `konstruct dev` */
export function devCommand(): Command {
  return new Command('dev')
    .summary('run everything on this machine: database, gateway, worker, simulator')
    .description(
      'Runs everything in one process: embedded PostgreSQL (or DATABASE_URL), migrations, gateway, worker and a simulated ' +
        'Slack with two companies to try it out. With SLACK_SIGNING_SECRET or SLACK_BOT_TOKEN set it talks to the real Slack instead.',
    )
    .action(async (_options: unknown, command: Command) => {
      const context = await createCommandContext(command, 'dev');
      const [{ startDev }, { buildPortal }, { createLog }, { listenForStop }] = await Promise.all([
        import('./start-dev.ts'),
        import('./build-portal.ts'),
        import('../telemetry/create-log.ts'),
        import('./listen-for-stop.ts'),
      ]);
      const whenStopped = listenForStop();
      const { config, env } = context;
      // People look at the page, not at the log: below warnings only on request.
      const level = env.LOG_LEVEL ? config.logLevel : 'warn';
      const log = createLog({ level });
      const pageDir = await buildPortal();
      const dev = await startDev({ config, env, log, pageDir, demoDelayMs: DEMO_DELAY_MS });
      console.log(await describe(context, dev));
      process.exitCode = await whenStopped(async () => {
        console.log('\nStopping…');
        await dev.stop();
      });
    });
}

async function describe({ config }: CommandContext, dev: RunningDev): Promise<string> {
  const [{ readVersion }, { revealProviderKeys }, { defaultRoute }] = await Promise.all([
    import('./read-version.ts'),
    import('../config.ts'),
    import('../llm/default-route.ts'),
  ]);
  const route = defaultRoute(revealProviderKeys(config.models));
  const models = route.entries.map(({ provider, model }) => `${provider} ${model}`).join(', then ');
  const isDemo = route.entries.every(({ provider }) => provider === 'demo');
  const rows: (readonly [string, string])[] = [
    ...(dev.simulator
      ? describeSimulator(dev)
      : [['Slack', 'the real one; the simulator is off because SLACK_… is set'] as const]),
    ['Slack events', `POST ${dev.url}/slack/events`],
    ['Health', `${dev.url}/health`],
    ['Model', isDemo ? 'scripted answers; set ANTHROPIC_API_KEY (or another key) for a real model' : models],
    [
      'Data',
      `${config.dataDir}${dev.embedded ? ' (embedded PostgreSQL)' : ' and the PostgreSQL of DATABASE_URL'}`,
    ],
  ];
  const lines = rows.map(([name, value]) => `  ${name.padEnd(14)}${value}`);
  const notices = config.notices.map((notice) => `  Note: ${notice}`);
  return [
    '',
    `Konstruct ${readVersion()} is running.`,
    '',
    ...lines,
    ...notices,
    '',
    'Ctrl-C stops it.',
  ].join('\n');
}

function describeSimulator({ url, companies }: RunningDev): readonly (readonly [string, string])[] {
  const [first] = companies;
  const greeted = companies.find(({ answers }) => answers);
  const whom = greeted === first ? greeted?.agentName : `${greeted?.agentName} of ${greeted?.name}`;
  return [
    [
      'Simulator',
      `${url}/simulator   ← ${
        greeted === undefined
          ? 'nobody answers there: its connections are disabled'
          : `open this and say hello to ${whom}`
      }`,
    ],
    ...companies
      .filter(({ name, tenant }) => tenant !== name.toLowerCase())
      .map(
        ({ name, tenant }) =>
          ['', `${name} is the tenant ${tenant}: ${name.toLowerCase()} was taken`] as const,
      ),
    ...(first?.site
      ? [
          ['Playground', `${url}/simulator/playground   the web chat with ${first.agentName}`] as const,
          ['Web chat', `${url}/widget/demo   a page of Acme’s with the chat on it`] as const,
        ]
      : []),
  ];
}
