import { flushCompileCache } from 'node:module';
import { Command, Option } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext } from './command-context.ts';

interface ServeCommandOptions {
  readonly role?: 'all' | 'gateway' | 'worker';
}

/** `konstruct serve` */
export function serveCommand(): Command {
  return new Command('serve')
    .summary('run in production: gateway, worker or both')
    .description(
      'Runs the gateway (takes webhooks), the worker (answers) or both on the database of DATABASE_URL, any number of each. ' +
        'SIGTERM stops it in an orderly way.',
    )
    .addOption(
      new Option('--role <role>', 'what this process does (default: KONSTRUCT_ROLE, else all)').choices([
        'all',
        'gateway',
        'worker',
      ]),
    )
    .action(async (options: ServeCommandOptions, command: Command) => {
      const { config, env } = await createCommandContext(command, 'serve');
      const role = options.role ?? config.role;
      if (role !== 'all' && config.databaseUrl === null) {
        throw new KonstructError(
          'config_invalid',
          `--role ${role} needs DATABASE_URL: gateways and workers meet in one database.`,
        );
      }
      const [{ startInstallation }, { createLog }, { noJourneys }, { listenForStop }] = await Promise.all([
        import('./start-installation.ts'),
        import('../telemetry/create-log.ts'),
        import('../telemetry/journeys.ts'),
        import('./listen-for-stop.ts'),
      ]);
      const whenStopped = listenForStop();
      const log = createLog({ level: config.logLevel, bindings: { role, pid: process.pid } });
      for (const notice of config.notices) log.warn('config.notice', { notice });
      const installation = await startInstallation({
        config: { ...config, role },
        env,
        log,
        app: { journeys: noJourneys },
      });
      log.info('serve.started', { url: installation.app.url });
      // Where NODE_COMPILE_CACHE is set. Left to the end, as Node does, a process that is killed never fills it.
      flushCompileCache();
      process.exitCode = await whenStopped(async () => {
        log.info('serve.stopping');
        await installation.stop();
        log.info('serve.stopped');
      }, config.stopGraceMs + config.stopDeadlineMs);
    });
}
