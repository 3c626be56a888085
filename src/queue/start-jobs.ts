import { Logger, type Runner, type RunnerOptions, run, type TaskList } from 'graphile-worker';
import pg from 'pg';
import type { Log } from '../core/log.ts';
import { errorCode, translateDatabaseError } from '../db/pool.ts';

/** Work that belongs to no conversation: scheduled, or wanted soon. */
export interface Jobs {
  /** Asks for a job to run soon; asking again before it ran changes nothing. */
  request(job: JobName): Promise<void>;
  stop(): Promise<void>;
}

export type JobName = 'send_notices' | 'renew_credentials' | 'retention';
/** A job says whether it wants to run again after a while. */
export type JobHandlers = Readonly<
  Record<JobName, (signal: AbortSignal) => Promise<{ readonly againAfterMs: number | null }>>
>;

/** Minute, hour, day, month, weekday; UTC. The schedule is the backstop of `send_notices`: mostly it is requested. */
const SCHEDULE =
  '* * * * * send_notices ?max=3\n*/10 * * * * renew_credentials ?max=1\n17 3 * * * retention ?max=3';
const POOL_SIZE = 4;

/**
 * graphile-worker on the same PostgreSQL. It keeps its tables in a schema of its own and brings them up to date itself,
 * as the operator's user.
 */
export async function startJobs(options: {
  databaseUrl: string;
  handlers: JobHandlers;
  log: Log;
}): Promise<Jobs> {
  const pool = new pg.Pool({
    connectionString: options.databaseUrl,
    max: POOL_SIZE,
    application_name: 'konstruct jobs',
  });
  pool.on('error', (error) => {
    if (!pool.ending) options.log.warn('database.connection_lost', { pool: 'jobs', code: errorCode(error) });
  });
  pool.on('connect', (client) => client.on('error', () => {})); // the pool's own listener reports it
  const stopped = new AbortController();
  const tasks: TaskList = {};
  for (const name of Object.keys(options.handlers) as JobName[]) {
    tasks[name] = async (_payload, helpers) => {
      const { againAfterMs } = await options.handlers[name](stopped.signal);
      if (againAfterMs === null) return;
      const runAt = new Date(Date.now() + againAfterMs);
      await helpers.addJob(name, {}, { runAt, jobKey: `again:${name}` });
    };
  }
  const runner: Runner = await start({
    pgPool: pool,
    concurrency: 2,
    noHandleSignals: true,
    pollInterval: 10_000,
    taskList: tasks,
    crontab: SCHEDULE,
    logger: new Logger(() => (level, message) => {
      if (level === 'error' || level === 'warning') options.log.warn('jobs.trouble', { message });
    }),
  });

  async function start(options: RunnerOptions): Promise<Runner> {
    try {
      return await run(options);
    } catch (error) {
      await pool.end();
      throw translateDatabaseError(error);
    }
  }

  return {
    request: coalesced(async (job) => {
      await runner.addJob(job, {}, { jobKey: job });
    }),
    async stop() {
      stopped.abort();
      await runner.stop();
      await pool.end();
    },
  };
}

/**
 * Calls that come while one for the same job is under way share the next one: a thousand people who are told something are
 * not a thousand round trips. The one under way is not enough, because its job may have run already.
 */
function coalesced(call: (job: JobName) => Promise<void>): (job: JobName) => Promise<void> {
  const underWay = new Map<JobName, Promise<void>>();
  const next = new Map<JobName, Promise<void>>();
  const begin = (job: JobName): Promise<void> => {
    const calling = call(job).finally(() => underWay.delete(job));
    underWay.set(job, calling);
    return calling;
  };
  return (job) => {
    const current = underWay.get(job);
    if (current === undefined) return begin(job);
    const waiting =
      next.get(job) ??
      current
        .catch(() => {}) // its own caller hears of it
        .then(() => {
          next.delete(job);
          return begin(job);
        });
    next.set(job, waiting);
    return waiting;
  };
}
