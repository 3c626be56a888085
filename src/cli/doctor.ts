import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { Config } from '../config.ts';
import { isKonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type CommandContext, createCommandContext } from './command-context.ts';
import { type DoctorContext, type Finding, problemOf } from './doctor/check.ts';
import type { CheckResult } from './doctor/run-checks.ts';

/** Deadline of everything together, in ms. */
const DEADLINE_MS = 60_000;

/** `konstruct doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('check configuration, database, models, connections, clock and public URL')
    .description('Checks the whole installation and says what to do about each finding. Changes nothing.')
    .option('--json', 'print the findings as JSON')
    .action(async (options: { json?: boolean }, command: Command) => {
      const results = await examine(command);
      const findings = results.flatMap((result) => result.findings);
      const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
      if (options.json) {
        console.log(JSON.stringify({ ok: count('problem') === 0, checks: results }, null, 2));
      } else {
        for (const { check, findings } of results) print(check, findings);
        console.log(`Problems: ${count('problem')}, warnings: ${count('warning')}, ok: ${count('ok')}.`);
      }
      if (count('problem') > 0) process.exitCode = 1;
    });
}

async function examine(command: Command): Promise<CheckResult[]> {
  let context: CommandContext;
  try {
    context = await createCommandContext(command);
  } catch (error) {
    if (!isKonstructError(error, 'config_invalid')) throw error;
    return [{ check: 'Configuration', findings: [problemOf(error, 'The environment')] }];
  }
  const { config, log } = context;
  const [{ checks }, { runChecks }, { openDatabase }] = await Promise.all([
    import('./doctor/checks.ts'),
    import('./doctor/run-checks.ts'),
    import('../db/open-database.ts'),
  ]);
  const failures = new Map<string, Finding>();
  const orFinding = async <T>(check: string, what: string, open: () => Promise<T>): Promise<T | null> => {
    try {
      return await open();
    } catch (error) {
      failures.set(check, problemOf(error, what));
      return null;
    }
  };
  const opened = await orFinding('Database', 'The database could not be opened', () =>
    openDatabase(config, log),
  );
  try {
    const cipher = await orFinding('Master key', 'There is no usable key', () => openExistingCipher(config));
    const parts = await openParts(config, opened?.url ?? null, log);
    try {
      const results = await runChecks(checks, { ...parts.context, cipher });
      return results.map(({ check, findings }) => {
        const failure = failures.get(check);
        return { check, findings: failure ? [failure, ...findings] : findings };
      });
    } finally {
      await parts.close();
    }
  } finally {
    await opened?.close();
  }
}

/** A doctor makes no key. `null`: there is none, and the first start on the embedded database will make one. */
async function openExistingCipher(config: Config) {
  const { MASTER_KEY_FILE, openCipher } = await import('../ensure-master-key.ts');
  const isFresh = !existsSync(join(config.dataDir, MASTER_KEY_FILE));
  if (config.masterKey === null && config.databaseUrl === null && isFresh) return null;
  return openCipher({ ...config, mode: 'serve' });
}

async function openParts(config: Config, databaseUrl: string | null, log: Log) {
  const [
    { createDatabasePool },
    { createDatabase },
    { createSlackChannel },
    { missingScopes },
    { listPendingMigrations },
    client,
  ] = await Promise.all([
    import('../db/pool.ts'),
    import('../db/create-database.ts'),
    import('../channels/slack/index.ts'),
    import('../channels/slack/manifest.ts'),
    import('../db/migrate.ts'),
    import('../db/with-client.ts'),
  ]);
  const isUsable =
    databaseUrl !== null &&
    (await client.withClient(databaseUrl, listPendingMigrations).catch(() => ['unknown'])).length === 0;
  const database = isUsable
    ? createDatabase(createDatabasePool({ url: databaseUrl, name: 'doctor', size: 9, log }))
    : null;
  const slack = createSlackChannel({
    apiUrl: config.slack.apiUrl,
    clock: Date.now,
    random: Math.random,
    sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
    log,
  });
  const context: Omit<DoctorContext, 'cipher'> = {
    config,
    database,
    databaseUrl,
    channels: new Map([[slack.type, slack]]),
    missingScopes: (channel, scopes) => (channel === slack.type ? missingScopes(scopes) : []),
    fetch: globalThis.fetch,
    clock: Date.now,
    signal: AbortSignal.timeout(DEADLINE_MS),
  };
  return {
    context,
    async close() {
      slack.close();
      await database?.destroy();
    },
  };
}

const marks = { ok: '✓', warning: '!', problem: '✗' } as const;
const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const;

function print(check: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  console.log(check);
  for (const { level, text, remedy } of findings) {
    const line = `  ${marks[level]} ${text.replaceAll('\n', '\n    ')}`;
    console.log(process.stdout.isTTY ? styleText(colours[level], line) : line);
    if (remedy !== null) console.log(`    → ${remedy}`);
  }
}
