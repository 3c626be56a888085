import type { AppOptions } from '../../src/app-options.ts';

/** What a contender's process is told by its first argument, as JSON. */
export interface ContenderOptions {
  /** 0: any free one. */
  readonly port: number;
  readonly slackApiUrl: string;
  readonly modelUrl: string;
  /** Nothing happens after the ack. */
  readonly acksOnly: boolean;
}

export interface AppProcessOptions extends ContenderOptions {
  readonly databaseUrl: string;
  readonly role: AppOptions['role'];
  readonly masterKey: string;
}

/** In the contender's process: says where it listens, and ends when it is told to or when its parent is gone. */
export function announce(port: number, stop: () => Promise<unknown>): void {
  process.send?.(port);
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), 15_000).unref();
    void stop().finally(() => process.exit());
  });
}
