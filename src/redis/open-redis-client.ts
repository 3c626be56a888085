import type { RedisAddress, RedisNode } from '../core/redis-address.ts';

/** A connection to Redis, or to all masters of a cluster. */
export interface RedisClient {
  /** Sends a command to where the key lives. A retry is the caller's decision: nothing is sent twice. */
  send(key: string, command: readonly string[]): Promise<unknown>;
  /** Sends a command to every server that holds data; rejects unless all of them answer. */
  sendToAll(command: readonly string[]): Promise<void>;
  /** Ends all connections at once; what is under way rejects. */
  destroy(): void;
}

export interface RedisClientOptions {
  readonly address: RedisAddress;
  readonly connectTimeoutMs: number;
  /** Called when a connection broke, perhaps several times. */
  readonly onError: (error: unknown) => void;
}

/**
 * Connects. The library is loaded only here: an installation without Redis pays nothing for it (60 ms, 28 MB).
 * The client reconnects nothing by itself and queues nothing: both would be a second opinion on when Redis is away.
 *
 * Source: https://github.com/redis/node-redis/blob/master/docs/client-configuration.md
 */
export async function openRedisClient(options: RedisClientOptions): Promise<RedisClient> {
  const library = await import('@redis/client');
  const { address } = options;
  const settings = {
    ...(address.username === null ? {} : { username: address.username }),
    ...(address.password === null ? {} : { password: address.password }),
    disableOfflineQueue: true,
    maintNotifications: 'disabled' as const,
    clientInfoTag: 'konstruct',
  };
  const socket = {
    connectTimeout: options.connectTimeoutMs,
    reconnectStrategy: false as const,
    ...(address.tls ? { tls: true as const } : {}),
  };
  return address.cluster ? openCluster() : openServer();

  async function openServer(): Promise<RedisClient> {
    const { host, port } = address.nodes[0] as RedisNode;
    const client = library.createClient({
      ...settings,
      socket: { ...socket, host, port },
      database: address.database,
    });
    client.on('error', options.onError);
    const destroy = (): void => {
      if (client.isOpen) client.destroy();
    };
    await connected(client.connect(), destroy);
    return {
      send: (_key, command) => client.sendCommand([...command]),
      sendToAll: async (command) => {
        await client.sendCommand([...command]);
      },
      destroy,
    };
  }

  async function openCluster(): Promise<RedisClient> {
    const cluster = library.createCluster({
      rootNodes: address.nodes.map((node) => ({ ...settings, socket: { ...socket, ...node } })),
      defaults: { ...settings, socket },
      topologyRefreshOnReconnectionAttemptStrategy: false,
    });
    cluster.on('error', options.onError);
    cluster.on('node-error', options.onError);
    let open = true;
    const destroy = (): void => {
      if (!open) return;
      open = false;
      cluster.destroy();
    };
    await connected(cluster.connect(), destroy);
    return {
      send: (key, command) => cluster.sendCommand(key, false, [...command]),
      sendToAll: async (command) => {
        await Promise.all(
          cluster.masters.map(async (node) => (await cluster.nodeClient(node)).sendCommand([...command])),
        );
      },
      destroy,
    };
  }

  /** A server that takes the connection and then says nothing (stopped) has its deadline too. */
  async function connected(connecting: Promise<unknown>, destroy: () => void): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('ETIMEDOUT')), options.connectTimeoutMs);
    });
    connecting.catch(() => {}); // it may end after its deadline
    try {
      await Promise.race([connecting, late]);
    } catch (error) {
      destroy();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}
