import { setTimeout as sleep } from 'node:timers/promises';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { acme } from './people.ts';
import { startBalancer } from './start-balancer.ts';
import type { Installation } from './start-installation.ts';
import { type ServeProcess, startServeProcess } from './start-serve-process.ts';

/** Two gateways behind something that balances their load, and two workers, all as processes. */
export interface RollingFleet {
  readonly seats: readonly Seat[];
  /** Requests that were not acked at the first attempt: what the balancer's client saw. */
  readonly failures: readonly string[];
  startLoad(options: { readonly perSecond: number }): { stop(): Promise<readonly SentMessage[]> };
  replace(seat: Seat): Promise<void>;
  /** What all of them logged, those that are gone included. */
  lines(): readonly Record<string, unknown>[];
  /** Of those that were replaced. */
  exitCodes(): readonly (number | null)[];
  stop(): Promise<void>;
}

interface Seat {
  readonly role: 'gateway' | 'worker';
  process: ServeProcess;
}

const GRACE_SECONDS = '1';

type FleetInstallation = Pick<
  Installation,
  'databaseUrl' | 'masterKey' | 'slackApiUrl' | 'simulator' | 'useGateway'
>;

export async function startRollingFleet(installation: FleetInstallation): Promise<RollingFleet> {
  const past: ServeProcess[] = [];
  const exitCodes: (number | null)[] = [];
  const start = async (role: Seat['role']): Promise<ServeProcess> => {
    const started = await startServeProcess(installation, role, {
      STOP_GRACE_SECONDS: GRACE_SECONDS,
      STOP_DEADLINE_SECONDS: '1',
    });
    past.push(started);
    return started;
  };
  const seats: Seat[] = await Promise.all(
    (['gateway', 'gateway', 'worker', 'worker'] as const).map(async (role) => ({
      role,
      process: await start(role),
    })),
  );
  const balancer = await startBalancer(() =>
    seats.filter(({ role }) => role === 'gateway').map(({ process }) => process.url),
  );
  installation.useGateway(balancer.url);

  return {
    seats,
    failures: balancer.failures,
    startLoad({ perSecond }) {
      const sent: Promise<SentMessage>[] = [];
      const channels = [acme.general, acme.support];
      const timer = setInterval(() => {
        sent.push(
          installation.simulator.say({
            workspaceId: acme.workspaceId,
            channelId: channels[sent.length % channels.length] as string,
            userId: acme.mara,
            text: `<@${acme.agent}> question ${sent.length}`,
          }),
        );
      }, 1_000 / perSecond);
      return {
        async stop() {
          clearInterval(timer);
          const messages = await Promise.all(sent);
          await Promise.all(messages.map(({ acked }) => acked));
          return messages;
        },
      };
    },
    async replace(seat) {
      const leaving = seat.process;
      const left = leaving.end('SIGTERM');
      // As an orchestrator that replaces one by one: the next is started while this one drains.
      const [code, started] = await Promise.all([left, start(seat.role)]);
      exitCodes.push(code);
      seat.process = started;
    },
    lines: () => past.flatMap(({ lines }) => lines),
    exitCodes: () => exitCodes,
    async stop() {
      await balancer.close();
      await Promise.all(past.map((process) => process.end('SIGKILL')));
    },
  };
}

/** Replaces every process, one after the other. */
export async function rollingRestart(fleet: RollingFleet): Promise<void> {
  for (const seat of fleet.seats) {
    await sleep(500);
    await fleet.replace(seat);
  }
  await sleep(500);
}
