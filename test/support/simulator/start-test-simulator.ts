import { type Logger, LogLevel, WebClient } from '@slack/web-api';
import type { Log } from '../../../src/core/log.ts';
import { createSimulator } from '../../../src/simulator/create-simulator.ts';
import type { Simulator, SimulatorInput } from '../../../src/simulator/simulator.ts';
import type { SimulatorServer } from '../../../src/simulator/start-simulator-server.ts';
import { startSimulatorServer } from '../../../src/simulator/start-simulator-server.ts';
import type { Receiver } from './start-receiver.ts';
import { startReceiver } from './start-receiver.ts';

const signingSecret = 'test-signing-secret';

const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Slack's client writes what it was refused to the console; here refusals are expected. */
const silentLogger: Logger = {
  ...silentLog,
  setLevel() {},
  getLevel: () => LogLevel.ERROR,
  setName() {},
};

/** A simulator on a random port, a receiver for its events, and Slack's own client for its Web API. */
export interface TestSimulator {
  readonly simulator: Simulator;
  readonly server: SimulatorServer;
  readonly receiver: Receiver;
  client(token: string): WebClient;
  stop(): Promise<void>;
}

export async function startTestSimulator(input: Partial<SimulatorInput> = {}): Promise<TestSimulator> {
  const receiver = await startReceiver(signingSecret);
  const simulator = createSimulator({
    refusesUnknownArguments: true,
    eventsUrl: receiver.url,
    signingSecret,
    clock: Date.now,
    random: Math.random,
    fetch: globalThis.fetch,
    log: silentLog,
    retryDelaysMs: [10, 20, 30],
    ...input,
  });
  const server = await startSimulatorServer(simulator, { port: 0 });
  return {
    simulator,
    server,
    receiver,
    client: (token) =>
      new WebClient(token, {
        slackApiUrl: server.apiUrl,
        logger: silentLogger,
        retryConfig: { retries: 0 },
        rejectRateLimitedCalls: true,
        timeout: 5_000,
      }),
    async stop() {
      await simulator.stop();
      await server.close();
      await receiver.close();
    },
  };
}

/** Ids of the default seeds that the tests use. */
export const acme = {
  workspaceId: 'T0ACME00001',
  token: 'xoxb-simulator-acme',
  agent: 'U0ACMEADA01',
  mara: 'U0ACMEMARA1',
  priya: 'U0ACMEPRIY1',
  general: 'C0ACMEGENER',
  support: 'C0ACMESUPPO',
  random: 'C0ACMERANDO',
  leads: 'C0ACMELEADS',
  dm: 'D0ACMEMARA1',
} as const;

export const globex = {
  workspaceId: 'T0GLOBEX001',
  token: 'xoxb-simulator-globex',
  agent: 'U0GLOBXMAX1',
  yuki: 'U0GLOBXYUKI',
  general: 'C0GLOBXGENE',
} as const;
