import type { Config } from '../../config.ts';

/** Where the process of this configuration answers on this machine, if it runs. */
export function ownAddress({ host, port }: Pick<Config, 'host' | 'port'>): string {
  // An address to listen on need not be one to ask at.
  return `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${port}`;
}
