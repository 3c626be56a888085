import { setTimeout as sleep } from 'node:timers/promises';
import type { ChaosInstallation } from './start-chaos-installation.ts';

/** Replaces every process by another, one after the other and again from the beginning, until it is stopped. */
export interface RollingRestarts {
  /** Resolves when the one under way is replaced. */
  stop(): Promise<void>;
  count(): number;
}

const PAUSE_MS = 1_500;

export function createRollingRestarts(
  installation: ChaosInstallation,
  note: (what: string) => void,
): RollingRestarts {
  let count = 0;
  let isOver = false;
  const running = (async () => {
    for (let index = 0; !isOver; index += 1) {
      await sleep(PAUSE_MS);
      const seat = installation.seats[index % installation.seats.length];
      const leaving = seat?.process;
      if (seat === undefined || !leaving) throw new Error('A seat is empty.');
      note(`SIGTERM ${seat.name}, pid ${leaving.child.pid}`);
      // The balancer goes on asking it until the new one is there, and learns from it that it stops.
      const left = leaving.end('SIGTERM');
      await Promise.all([left, installation.start(seat)]);
      const code = await left;
      if (code !== 0) throw new Error(`${seat.name} ended with ${code}.`);
      count += 1;
    }
  })();
  return {
    async stop() {
      isOver = true;
      await running;
    },
    count: () => count,
  };
}
