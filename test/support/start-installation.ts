import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { type App, startApp } from '../../src/app.ts';
import type { AppOptions } from '../../src/app-options.ts';
import { type Cipher, createCipher } from '../../src/core/cipher.ts';
import type { RouteEntry } from '../../src/core/model.ts';
import type { Agent, ConnectionSettings } from '../../src/core/tenant.ts';
import { createSimulator } from '../../src/simulator/create-simulator.ts';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import type { Simulator, SimulatorInput } from '../../src/simulator/simulator.ts';
import { startSimulatorServer } from '../../src/simulator/start-simulator-server.ts';
import type { WorkspaceSeed } from '../../src/simulator/workspace.ts';
import { createJourneys } from '../../src/telemetry/journeys.ts';
import { createMigratedDatabase } from './migrated-database.ts';
import { type ModelServer, startModelServer } from './model-server.ts';
import type { TestDatabase } from './postgres.ts';
import { recordingLog } from './recording-log.ts';
import { type SeededTenant, seedTenants } from './seed-tenants.ts';
import { SIGNING_SECRET } from './signing-secret.ts';

/** A whole installation on loopback: PostgreSQL, Slack stand-in, model stand-in, and the app in this process. */
export interface Installation {
  readonly databaseUrl: string;
  readonly cipher: Cipher;
  readonly masterKey: Buffer;
  readonly simulator: Simulator;
  readonly slackApiUrl: string;
  readonly model: ModelServer;
  readonly tenants: readonly SeededTenant[];
  readonly log: ReturnType<typeof recordingLog>;
  /** The first app; `null` when it was not wanted. */
  readonly app: App | null;
  /** Starts one more app process-alike on the same database. */
  startApp(options?: Partial<AppOptions>): Promise<App>;
  /** Where Slack sends its events from now on. */
  useGateway(url: string): void;
  /** Asks the database as its superuser. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  stop(): Promise<void>;
}

export interface InstallationOptions {
  readonly workspaces?: readonly WorkspaceSeed[];
  readonly routes?: (model: ModelServer) => Readonly<Record<string, readonly RouteEntry[]>>;
  readonly settings?: ConnectionSettings;
  readonly agent?: Partial<Agent>;
  readonly app?: Partial<AppOptions> | null;
  readonly simulator?: Partial<SimulatorInput>;
  /** What the app connects to instead of the database itself, for example a proxy. */
  readonly through?: (databaseUrl: string) => Promise<string>;
  /** A migrated database; absent: one on the run's shared server. */
  readonly database?: () => Promise<TestDatabase>;
}

export async function startInstallation(options: InstallationOptions = {}): Promise<Installation> {
  const closing: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const close of closing.reverse()) await close();
    closing.length = 0;
  };
  try {
    const database = await (options.database ?? createMigratedDatabase)();
    closing.push(() => database.drop());
    const admin = new pg.Pool({ connectionString: database.url, max: 2 });
    // The database is dropped at the end; an idle connection then reports to the pool, and a closing one to itself.
    admin.on('error', () => {});
    admin.on('connect', (client) => client.on('error', () => {}));
    closing.push(() => admin.end());
    const model = await startModelServer();
    closing.push(() => model.close());
    const workspaces = options.workspaces ?? defaultSeeds;
    let gatewayUrl = '';
    const simulator = createSimulator({
      refusesUnknownArguments: true,
      eventsUrl: () => `${gatewayUrl}/slack/events`,
      signingSecret: SIGNING_SECRET,
      workspaces,
      clock: () => Date.now(),
      random: Math.random,
      fetch: globalThis.fetch,
      log: { debug() {}, info() {}, warn() {}, error() {} },
      ...options.simulator,
    });
    closing.push(() => simulator.stop());
    const slackServer = await startSimulatorServer(simulator, { port: 0 });
    closing.push(() => slackServer.close());
    const appDatabaseUrl = (await options.through?.(database.url)) ?? database.url;
    const masterKey = randomBytes(32);
    const cipher = createCipher([masterKey]);
    const tenants = await seedTenants({
      databaseUrl: database.url,
      cipher,
      workspaces,
      routes: options.routes?.(model) ?? {
        default: [
          {
            provider: 'openai-compatible',
            model: 'test',
            baseUrl: model.urls['openai-compatible'],
            apiKey: 'k',
          },
        ],
      },
      ...(options.settings ? { settings: options.settings } : {}),
      ...(options.agent ? { agent: options.agent } : {}),
    });
    const log = recordingLog();
    const start = async (overrides: Partial<AppOptions> = {}): Promise<App> => {
      const app = await startApp({
        databaseUrl: appDatabaseUrl,
        role: 'all',
        host: '127.0.0.1',
        port: 0,
        cipher,
        slack: { signingSecret: SIGNING_SECRET, apiUrl: slackServer.apiUrl },
        providerKeys: {},
        workerConcurrency: 50,
        retentionDays: 365,
        ledgerRetentionDays: 761,
        version: 'test',
        warmUp: false, // it costs PostgreSQL a quarter of a second of a core, and here hardly anybody waits for it
        log,
        journeys: createJourneys(),
        ...options.app,
        ...overrides,
      });
      closing.push(() => app.stop());
      if ((overrides.role ?? options.app?.role) !== 'worker') gatewayUrl = app.url;
      return app;
    };
    const app = options.app === null ? null : await start();
    return {
      databaseUrl: database.url,
      cipher,
      masterKey,
      simulator,
      useGateway(url) {
        gatewayUrl = url;
      },
      slackApiUrl: slackServer.apiUrl,
      model,
      tenants,
      log,
      app,
      startApp: start,
      query: async (text, values = []) => (await admin.query(text, [...values])).rows,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
