import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { Log } from '../core/log.ts';
import { createSimulator } from '../simulator/create-simulator.ts';
import { defaultSeeds } from '../simulator/default-seeds.ts';
import type { Simulator } from '../simulator/simulator.ts';
import { startSimulatorServer } from '../simulator/start-simulator-server.ts';
import { systemTime } from '../system-time.ts';
import { createJourneys, type Journeys } from '../telemetry/journeys.ts';
import { playground } from './playground.ts';
import { prepareSimulator, type SimulatedCompany } from './prepare-simulator.ts';
import { startInstallation } from './start-installation.ts';
import { widgetDemo } from './widget-demo.ts';

/** Everything in one process: database, gateway, worker and, unless a real Slack is configured, the simulator. */
export interface RunningDev {
  readonly url: string;
  readonly embedded: boolean;
  readonly simulator: Simulator | null;
  /** Those of the simulator; none without it. */
  readonly companies: readonly SimulatedCompany[];
  readonly journeys: Journeys;
  stop(): Promise<void>;
}

export interface DevOptions {
  readonly config: Config;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder of the built portal. */
  readonly pageDir: string;
  /** How long the scripted model seems to think, in ms. */
  readonly demoDelayMs: number;
}

/** Starts all of it. @throws what `startInstallation` throws */
export async function startDev(options: DevOptions): Promise<RunningDev> {
  const { config, log } = options;
  const journeys = createJourneys();
  if (usesRealSlack(config)) {
    const installation = await startInstallation({
      ...options,
      app: { journeys, demoDelayMs: options.demoDelayMs },
    });
    const { app, database } = installation;
    return {
      url: app.url,
      embedded: database.kind === 'embedded',
      simulator: null,
      companies: [],
      journeys,
      stop: installation.stop,
    };
  }

  const signingSecret = randomBytes(16).toString('hex'); // both ends are in this process
  let appUrl = '';
  const simulator = createSimulator({
    eventsUrl: () => `${appUrl}/slack/events`,
    signingSecret,
    workspaces: defaultSeeds,
    ...systemTime,
    clock: systemTime.wallClock, // it signs with the time of day, as Slack does
    fetch: globalThis.fetch,
    log,
    stateFile: join(config.dataDir, 'simulator.json'),
    journeys,
    pageDir: options.pageDir,
  });
  // Its Web API has a port of its own: the app reaches it from outside, as it reaches Slack.
  const slackServer = await startSimulatorServer(simulator, { port: 0 });
  const stopSimulator = async (): Promise<void> => {
    await simulator.stop();
    await slackServer.close();
  };
  let companies: readonly SimulatedCompany[] = [];
  try {
    const installation = await startInstallation({
      ...options,
      async prepare(...given) {
        companies = await prepareSimulator(given, defaultSeeds);
      },
      app: {
        journeys,
        demoDelayMs: options.demoDelayMs,
        slack: { signingSecret, apiUrl: slackServer.apiUrl },
        extend: async (server) => {
          await server.register(simulator.plugin, { prefix: '/simulator' });
          const site = companies[0]?.site ?? null;
          if (site !== null) await server.register(widgetDemo(site));
          await server.register(
            playground(
              companies.flatMap(({ name, agentName, site: chat }) =>
                chat === null ? [] : [{ site: chat, agent: agentName, company: name }],
              ),
            ),
          );
          server.get('/', async (_request, reply) => reply.redirect('/simulator'));
        },
      },
    });
    appUrl = installation.app.url;
    return {
      url: appUrl,
      embedded: installation.database.kind === 'embedded',
      simulator,
      companies,
      journeys,
      async stop() {
        await stopSimulator();
        await installation.stop();
      },
    };
  } catch (error) {
    await stopSimulator();
    throw error;
  }
}

/** Whether a real Slack is to be talked to; the simulator then stays away. */
function usesRealSlack({ slack }: Pick<Config, 'slack'>): boolean {
  const { botToken, signingSecret, appToken, clientId } = slack;
  return [botToken, signingSecret, appToken, clientId].some((value) => value !== null);
}
