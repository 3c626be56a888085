import { type App, startApp } from '../app.ts';
import type { AppOptions } from '../app-options.ts';
import { type Config, platformSettings, revealProviderKeys, slackSettings } from '../config.ts';
import type { Log } from '../core/log.ts';
import { migrate } from '../db/migrate.ts';
import { type OpenDatabase, openDatabase } from '../db/open-database.ts';
import { withDatabase } from '../db/with-database.ts';
import { openCipher } from '../ensure-master-key.ts';
import { listStoredSecrets } from '../stores/stored-secrets.ts';
import { createMetrics } from '../telemetry/create-metrics.ts';
import { widgetFile } from './build-portal.ts';
import { loadExtensions, offeredBy } from './load-extensions.ts';
import { type Prepare, prepareTenants } from './prepare-tenants.ts';
import { readVersion } from './read-version.ts';
import { startSlackWorkspace } from './start-slack-workspace.ts';

/** A database and the app on it, from a configuration. */
export interface RunningInstallation {
  readonly app: App;
  readonly database: OpenDatabase;
  stop(): Promise<void>;
}

export interface InstallationOptions {
  readonly config: Config;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What has to be there besides what the configuration names. */
  readonly prepare?: Prepare;
  /** What the kind of start wants otherwise (simulator instead of Slack, journeys, …). */
  readonly app: Pick<AppOptions, 'journeys'> & Partial<AppOptions>;
}

const PREPARING_CONNECTIONS = 9;

/**
 * Opens the database (embedded or DATABASE_URL), brings it up to date, makes the tenants that the configuration names
 * and starts the app. What fails half-way is taken back.
 *
 * @throws KonstructError `data_dir_in_use`, `port_in_use`, `database_unavailable`, `config_invalid`, …
 */
export async function startInstallation(options: InstallationOptions): Promise<RunningInstallation> {
  const { config, log } = options;
  const database = await openDatabase(config, log, { exclusive: true });
  let workspace: { stop(): Promise<void> } | null = null;
  try {
    await migrate(database.url, { log });
    const prepare = { url: database.url, name: 'prepare', size: PREPARING_CONNECTIONS, log };
    const cipher = await openCipher(config, () => withDatabase(prepare, listStoredSecrets));
    const extensions = await loadExtensions(config);
    await prepareTenants({ ...options, databaseUrl: database.url, cipher, offered: offeredBy(extensions) });
    const { apiUrl } = config.slack;
    const botToken = config.slack.botToken?.reveal() ?? null;
    // A worker takes nothing in: whose the token is does not concern it.
    if (botToken !== null && config.role !== 'worker') {
      workspace = await startSlackWorkspace({ databaseUrl: database.url, cipher, apiUrl, botToken, log });
    }
    const app = await startApp({
      databaseUrl: database.url,
      redis: config.redis?.reveal() ?? null,
      role: config.role,
      host: config.host,
      port: config.port,
      cipher,
      slack: slackSettings(config),
      platforms: platformSettings(config),
      publicUrl: config.publicUrl,
      widgetFile,
      providerKeys: revealProviderKeys(config.models),
      providerLimits: config.modelLimits,
      workerConcurrency: config.workerConcurrency,
      retentionDays: config.retentionDays,
      tenantConcurrency: config.tenantConcurrency,
      busy: config.busy,
      timing: { stopGraceMs: config.stopGraceMs, stopDeadlineMs: config.stopDeadlineMs },
      metrics: createMetrics({ process: true, log }),
      ledgerRetentionDays: config.ledgerRetentionDays,
      version: readVersion(),
      log,
      ...extensions,
      ...options.app,
    });
    return {
      app,
      database,
      async stop() {
        await workspace?.stop();
        await app.stop();
        await database.close();
      },
    };
  } catch (error) {
    await workspace?.stop();
    await database.close();
    throw error;
  }
}
