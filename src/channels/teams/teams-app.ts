import type { ConnectionAccess } from '../../core/outbound.ts';
import type { Credentials } from '../../core/tenant.ts';

/** What the installation sets for Teams beside the address of its API, see docs/config.md. */
export interface TeamsSettings {
  readonly appId: string | null;
  readonly appPassword: string | null;
  /** Of a single-tenant app. */
  readonly appTenantId: string | null;
  /** Without a slash at its end. */
  readonly loginUrl: string;
  readonly openIdUrl: string;
}

/** A registered bot, with whose name we speak. */
export interface TeamsApp {
  readonly appId: string;
  readonly appPassword: string;
  /** Where the app is registered for one company only; `null`: for all of them. */
  readonly tenantId: string | null;
  /** The connection's own, and not the installation's. */
  readonly isOwn: boolean;
}

/** What to do when there is none. */
export const APP_REMEDY =
  'Set TEAMS_APP_ID and TEAMS_APP_PASSWORD, or give the connection appId and appPassword.';

const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function readTeamsSettings(values: Readonly<Record<string, string>> = {}): TeamsSettings {
  return {
    appId: asGuid(values.appId),
    appPassword: values.appPassword ?? null,
    appTenantId: asGuid(values.appTenantId),
    loginUrl: values.loginUrl ?? 'https://login.microsoftonline.com',
    openIdUrl: values.openIdUrl ?? 'https://login.botframework.com/v1/.well-known/openidconfiguration',
  };
}

/**
 * The app of a connection: its own, if it brings one, and otherwise the installation's; never the id of one with the
 * password of the other. `null`: there is none, or half of one.
 */
export function teamsAppOf(
  { credentials }: Pick<ConnectionAccess, 'credentials'>,
  settings: TeamsSettings,
): TeamsApp | null {
  const isOwn = credentials.appId !== undefined;
  const appId = isOwn ? ownAppId(credentials) : settings.appId;
  const appPassword = isOwn ? (credentials.appPassword ?? null) : settings.appPassword;
  const tenantId = isOwn ? asGuid(credentials.tenantId) : settings.appTenantId;
  return appId === null || !appPassword ? null : { appId, appPassword, tenantId, isOwn };
}

/** The app that a connection brings itself; `null`: none. */
export function ownAppId(credentials: Credentials): string | null {
  return asGuid(credentials.appId);
}

/** In lower case, as Microsoft writes them; `null`: it is none. */
export function asGuid(value: unknown): string | null {
  const text = typeof value === 'string' ? value.toLowerCase() : '';
  return GUID.test(text) ? text : null;
}
