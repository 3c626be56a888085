import { createSimulator } from '../../src/simulator/create-simulator.ts';
import { startSimulatorServer } from '../../src/simulator/start-simulator-server.ts';
import { silentLog } from '../../test/support/silent-log.ts';
import { at, type Crowd, range } from './crowd.ts';

const signingSecret = 'crowd-signing-secret';

/** Workspaces of one app, whose people write in direct conversations. */
export async function startSlackCrowd(companies: number): Promise<Crowd> {
  let eventsUrl = '';
  const seeds = range(companies).map((company) => {
    const number = String(company).padStart(5, '0');
    const [userId, botUserId, channelId] = [`U0PERSN${number}`, `U0AGENT${number}`, `D0DIRCT${number}`];
    return {
      id: `T0CROWD${number}`,
      name: `Company ${number}`,
      appId: 'A0CROWD0001',
      botUserId,
      botId: `B0AGENT${number}`,
      botToken: `xoxb-crowd-${number}`,
      agentName: 'Ada',
      users: [{ id: userId, handle: 'mara', name: 'Mara' }],
      channels: [{ id: channelId, name: 'mara', kind: 'im' as const, memberIds: [userId, botUserId] }],
      place: { workspaceId: `T0CROWD${number}`, channelId, userId },
    };
  });
  const simulator = createSimulator({
    eventsUrl: () => eventsUrl,
    signingSecret,
    workspaces: seeds,
    clock: Date.now,
    random: Math.random,
    fetch: globalThis.fetch,
    log: silentLog,
  });
  /** The threads that the agent answers in, by company. */
  const threads = seeds.map((): string[] => []);
  const server = await startSimulatorServer(simulator, { port: 0 });
  return {
    channel: 'slack',
    companies: seeds.map(({ id, botToken, botUserId }) => ({
      externalId: id,
      credentials: { botToken },
      agentUserId: botUserId,
    })),
    platform: { signingSecret, apiUrl: server.apiUrl },
    async lead(url) {
      eventsUrl = `${url}/slack/events`;
    },
    isReached: () => true,
    async say(company, text) {
      const { acked, ts } = await simulator.say({ ...at(seeds, company).place, text });
      at(threads, company).push(ts);
      return acked;
    },
    shown(company, text) {
      const { workspaceId, channelId } = at(seeds, company).place;
      return at(threads, company)
        .flatMap((ts) => simulator.messages(workspaceId, channelId, ts))
        .filter((message) => message.isAgent && message.text.includes(text)).length;
    },
    async close() {
      await simulator.stop();
      await server.close();
    },
  };
}
