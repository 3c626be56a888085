import { setTimeout as sleep } from 'node:timers/promises';
import { type RedisServer, startRedis } from './start-redis.ts';

/** Three masters that share all slots, and one replica of the first. */
export interface RedisCluster {
  readonly url: string;
  readonly masters: readonly [RedisServer, RedisServer, RedisServer];
  readonly replica: RedisServer;
  /** Makes the replica the master of the first master's slots, without its consent. */
  takeOver(): Promise<void>;
  /** Moves the slot of a key, with everything in it, from the master that has it to another. */
  moveSlot(key: string): Promise<void>;
  close(): Promise<void>;
}

const SLOTS = 16_384;
const TIMEOUT_MS = 20_000;

export async function startRedisCluster(): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: 4 }, () => startRedis({ cluster: true })));
  const [first, second, third, replica] = nodes as [RedisServer, RedisServer, RedisServer, RedisServer];
  const masters = [first, second, third] as const;
  const ids = new Map<RedisServer, string>();
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
  };
  try {
    for (const node of nodes) ids.set(node, String(await node.command('CLUSTER', 'MYID')));
    for (const [index, master] of masters.entries()) {
      const from = Math.floor((index * SLOTS) / masters.length);
      const to = Math.floor(((index + 1) * SLOTS) / masters.length) - 1;
      await master.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    }
    for (const node of nodes.slice(1)) {
      const bus = await busPort(node);
      await first.command('CLUSTER', 'MEET', '127.0.0.1', String(node.port), bus);
    }
    await waitUntil(async () => (await knownNodes(replica)) === nodes.length);
    await replica.command('CLUSTER', 'REPLICATE', ids.get(first) as string);
    await waitUntil(async () => {
      const states = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
      const link = String(await replica.command('INFO', 'replication'));
      const known = await Promise.all(nodes.map(knownNodes));
      return (
        states.every((state) => String(state).includes('cluster_state:ok')) &&
        known.every((count) => count === nodes.length) &&
        link.includes('master_link_status:up')
      );
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url: `redis+cluster://${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    masters,
    replica,
    async takeOver() {
      await replica.command('CLUSTER', 'FAILOVER', 'TAKEOVER');
      await waitUntil(async () => String(await replica.command('ROLE')).startsWith('master'));
      await waitUntil(async () =>
        (await Promise.all([second, third, replica].map((node) => node.command('CLUSTER', 'NODES')))).every(
          (map) =>
            new RegExp(`^${ids.get(replica)} .*master.* connected 0-`, 'm').test(
              String(map).replaceAll('myself,', ''),
            ),
        ),
      );
    },
    async moveSlot(key) {
      const slot = String(await second.command('CLUSTER', 'KEYSLOT', key));
      const owner = masters[Math.floor((Number(slot) * masters.length) / SLOTS)] as RedisServer;
      const target = masters.find((master) => master !== owner) as RedisServer;
      await target.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids.get(owner) as string);
      await owner.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids.get(target) as string);
      const keys = (await owner.command('CLUSTER', 'GETKEYSINSLOT', slot, '1000')) as string[];
      if (keys.length > 0) {
        await owner.command('MIGRATE', '127.0.0.1', String(target.port), '', '0', '2000', 'KEYS', ...keys);
      }
      for (const node of [target, owner, ...masters]) {
        await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', ids.get(target) as string);
      }
    },
    close,
  };
}

async function knownNodes(node: RedisServer): Promise<number> {
  const info = String(await node.command('CLUSTER', 'INFO'));
  return Number(/cluster_known_nodes:(\d+)/.exec(info)?.[1]);
}

async function busPort(node: RedisServer): Promise<string> {
  const map = String(await node.command('CLUSTER', 'NODES'));
  return /@(\d+)/.exec(map)?.[1] ?? '';
}

async function waitUntil(condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error('The cluster did not come together in time.');
    await sleep(50);
  }
}
