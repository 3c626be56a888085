import { isKonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { LaunchedPostmaster } from './launch-postmaster.ts';
import { waitUntil } from './wait-until.ts';

export interface SuperviseOptions {
  readonly first: LaunchedPostmaster;
  /** Brings a server up again on the same port. Rejects when that is not possible now. */
  readonly relaunch: (signal: AbortSignal) => Promise<LaunchedPostmaster>;
  readonly log: Log;
  readonly pollMs?: number;
  readonly maxPauseMs?: number;
}

export interface Supervision {
  /** Ends the supervision, and a restart under way, and returns the server of now for stopping. */
  end(): Promise<LaunchedPostmaster>;
}

/**
 * Starts the server again when it dies while we live (killed for want of memory, or a disk that was full). Without
 * this an embedded installation would answer 503 until somebody restarts it. Its address stays the same, so pools just
 * reconnect. Attempts go on, with growing pauses, until they succeed: what was wrong may be put right at any time.
 */
export function supervisePostmaster(options: SuperviseOptions): Supervision {
  const { relaunch, log, pollMs = 500, maxPauseMs = 10_000 } = options;
  const ending = new AbortController();
  let postmaster = options.first;
  let restarting: Promise<void> = Promise.resolve();
  let isRestarting = false;

  const timer = setInterval(() => {
    if (isRestarting || postmaster.isRunning()) return;
    isRestarting = true;
    restarting = restart().finally(() => {
      isRestarting = false;
    });
  }, pollMs);
  timer.unref(); // a server alone is no reason to go on

  async function restart(): Promise<void> {
    log.error('database.server_died', { pid: postmaster.pid });
    for (let attempt = 1; !ending.signal.aborted; attempt++) {
      try {
        postmaster = await relaunch(ending.signal);
        log.info('database.server_restarted', { pid: postmaster.pid, attempt });
        return;
      } catch (error) {
        if (ending.signal.aborted) return;
        const code = isKonstructError(error) ? error.code : 'embedded_database_failed';
        log.error('database.restart_failed', { code, attempt, error: String(error) });
        const timeoutMs = Math.min(250 * 2 ** attempt, maxPauseMs);
        await waitUntil(() => ending.signal.aborted, { timeoutMs, intervalMs: 100 });
      }
    }
  }

  return {
    async end() {
      clearInterval(timer);
      ending.abort();
      await restarting;
      return postmaster;
    },
  };
}
