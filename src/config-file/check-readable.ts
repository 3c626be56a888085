import type { Cipher } from '../core/cipher.ts';
import { openCredentials } from '../stores/connections.ts';
import { openModelKeys } from '../stores/model-keys.ts';
import { openRoute } from '../stores/routes.ts';
import { isReadable } from '../stores/stored-secrets.ts';
import type { FieldPath, FileProblem } from './config-source.ts';
import type { ParsedConfigFile } from './parse-config-file.ts';
import { connectionName } from './plan-tenant.ts';
import type { Installation } from './read-installation.ts';

const PROBLEM =
  'would replace what the master key does not open; set KONSTRUCT_MASTER_KEY to the key it was stored under, or apply with --replace-unreadable if that is lost';

/**
 * Secrets that the file has, stored ones in their place, and no key of ours for those. Replacing them on the side would
 * take them from processes that do have the key.
 */
export function checkReadable(
  { file, locate }: ParsedConfigFile,
  { routes, tenants }: Installation,
  cipher: Cipher,
): FileProblem[] {
  const opens = (open: (cipher: Cipher) => unknown) => isReadable({ open }, cipher);
  const places: FieldPath[] = [];
  for (const { name } of file.routes ?? []) {
    const stored = routes.find((route) => route.name === name);
    if (stored && !opens((key) => openRoute(key, stored))) places.push(['routes', name]);
  }
  for (const [index, { slug, keys, connections }] of (file.tenants ?? []).entries()) {
    const state = tenants.get(slug);
    if (!state) continue;
    const path = ['tenants', index];
    if (keys !== null && !opens((key) => openModelKeys(key, state.modelKeys))) places.push([...path, 'keys']);
    const byName = new Map(state.connections.map((connection) => [connectionName(connection), connection]));
    for (const [place, connection] of (connections ?? []).entries()) {
      const stored = byName.get(connectionName(connection));
      if (!stored || connection.credentials === null || opens((key) => openCredentials(key, stored)))
        continue;
      places.push([...path, 'connections', place, 'credentials']);
    }
  }
  return places.map((path) => locate(path, PROBLEM));
}
