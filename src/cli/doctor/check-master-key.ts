import { readInstallation } from '../../config-file/read-installation.ts';
import type { Cipher } from '../../core/cipher.ts';
import { isKonstructError } from '../../core/errors.ts';
import { openCredentials } from '../../stores/connections.ts';
import { openModelKeys } from '../../stores/model-keys.ts';
import { openRoute, routeEnvelopes } from '../../stores/routes.ts';
import { type Check, ok, problem, warning } from './check.ts';
import { shortenList } from './shorten-list.ts';

/** Whether the master key opens every stored secret, and whether a rotation is unfinished. */
export const checkMasterKey: Check = {
  name: 'Master key',
  async run({ database, cipher, config }) {
    if (database === null || cipher === null) return [];
    const { routes, tenants } = await readInstallation(database, null);
    const sealed = [
      ...[...tenants.values()].flatMap(({ tenant, connections }) =>
        connections.map((connection) => ({
          name: `${connection.channel} ${connection.externalId} of ${tenant.slug}`,
          open: () => openCredentials(cipher, connection),
          envelopes: [connection.encryptedCredentials],
        })),
      ),
      ...[...tenants.values()].flatMap(({ tenant, modelKeys }) =>
        modelKeys.map((stored) => ({
          name: `${stored.provider} keys of ${tenant.slug}`,
          open: () => openModelKeys(cipher, [stored]),
          envelopes: [stored.encryptedKeys],
        })),
      ),
      ...routes.map((route) => ({
        name: `route ${route.name}`,
        open: () => openRoute(cipher, route),
        envelopes: routeEnvelopes(route),
      })),
    ].filter(({ envelopes }) => envelopes.length > 0);
    const closed = sealed.filter(({ open }) => !opens(open)).map(({ name }) => name);
    if (closed.length > 0) {
      return [
        problem(
          `The master key does not open ${closed.length} of ${sealed.length} stored secrets: ${shortenList(closed)}.`,
          'Set KONSTRUCT_MASTER_KEY to the key they were stored under, or apply the credentials again.',
        ),
      ];
    }
    const old = sealed.filter(({ envelopes }) => !isCurrent(cipher, envelopes)).length;
    if (old > 0) {
      return [warning(`${old} stored secrets are under a previous key.`, 'Run `konstruct keys rotate`.')];
    }
    const opened = ok(`The master key opens all ${sealed.length} stored secrets.`);
    if (config.previousMasterKeys.length === 0) return [opened];
    return [
      opened,
      warning(
        'No stored secret needs KONSTRUCT_MASTER_KEY_PREVIOUS any more.',
        'Remove it and destroy the old key.',
      ),
    ];
  },
};

function isCurrent(cipher: Cipher, envelopes: readonly Buffer[]): boolean {
  return envelopes.every((envelope) => cipher.isCurrent(envelope));
}

function opens(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch (error) {
    if (isKonstructError(error, 'credentials_unreadable')) return false;
    throw error;
  }
}
