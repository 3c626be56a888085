import { setTimeout as sleep } from 'node:timers/promises';
import { startApp } from '../../src/app.ts';
import type { AppOptions } from '../../src/app-options.ts';
import type { PlatformSettings } from '../../src/core/channel-definition.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createLog } from '../../src/telemetry/create-log.ts';

export interface ConnectionsProcessOptions {
  readonly databaseUrl: string;
  /** base64 */
  readonly masterKey: string;
  readonly slack: AppOptions['slack'];
  readonly platforms: Readonly<Record<string, PlatformSettings>>;
}

/** What the process answers when it is asked, in bytes, after the garbage is gone. */
export interface MemoryReading {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
}

/** The product with all its platforms, which says how much memory it has. Needs `--expose-gc`. */
const options = JSON.parse(process.argv[2] ?? '{}') as ConnectionsProcessOptions;
const app = await startApp({
  databaseUrl: options.databaseUrl,
  role: 'all',
  host: '127.0.0.1',
  port: 0,
  cipher: createCipher([Buffer.from(options.masterKey, 'base64')]),
  slack: options.slack,
  platforms: options.platforms,
  publicUrl: null,
  providerKeys: {},
  workerConcurrency: 50,
  retentionDays: 365,
  ledgerRetentionDays: 761,
  version: 'bench',
  log: createLog({ level: 'warn' }),
  journeys: { mark() {} },
});
process.on('message', () => {
  void (async () => {
    for (let round = 0; round < 4; round += 1) {
      globalThis.gc?.();
      await sleep(250); // finalizers, and what the collector gives back later
    }
    const { rss, heapUsed, external } = process.memoryUsage();
    process.send?.({ rss, heapUsed, external } satisfies MemoryReading);
  })();
});
process.once('disconnect', () => {
  setTimeout(() => process.exit(1), 15_000).unref();
  void app.stop().finally(() => process.exit());
});
process.send?.(app.url);
