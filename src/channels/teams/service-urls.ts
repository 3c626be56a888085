import type { Clock } from '../../core/clock.ts';
import { createRecentValues } from '../recent-values.ts';

/**
 * Where Teams wants to be called. Each activity names its region's address, which is to be preferred; what no activity
 * has named yet is reached through the global one.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/send-proactive-messages
 */
export interface ServiceUrls {
  /** Remembers what an activity named that Microsoft vouched for. */
  remember(appId: string, tenantId: string, serviceUrl: string): void;
  /** Without a slash at its end. */
  of(appId: string, tenantId: string): string;
  /** Whether an address is Microsoft's: nothing that proves who we are is sent anywhere else. */
  isTrusted(url: string): boolean;
}

/** Exact names: under trafficmanager.net anybody may have one. */
const HOSTS = new Set([
  'smba.trafficmanager.net',
  'smba.infra.gcc.teams.microsoft.com',
  'smba.infra.gov.teams.microsoft.us',
  'smba.infra.dod.teams.microsoft.us',
]);
const MAX_REMEMBERED = 10_000;
const REMEMBERED_MS = 24 * 3_600_000;

/** @param apiUrl the global address; one that is configured is trusted as well */
export function createServiceUrls(apiUrl: string, clock: Clock): ServiceUrls {
  const named = createRecentValues<string>(MAX_REMEMBERED, clock);
  const ownOrigin = URL.parse(apiUrl)?.origin;
  const isTrusted = (text: string): boolean => {
    const url = URL.parse(text);
    if (url === null || url.username !== '' || url.password !== '') return false;
    return (
      url.origin === ownOrigin || (url.protocol === 'https:' && url.port === '' && HOSTS.has(url.hostname))
    );
  };
  return {
    isTrusted,
    // By app as well: a company with an app of its own vouches for nothing that others are told.
    remember(appId, tenantId, serviceUrl) {
      if (isTrusted(serviceUrl)) named.set(`${appId} ${tenantId}`, withoutSlash(serviceUrl), REMEMBERED_MS);
    },
    of: (appId, tenantId) => named.get(`${appId} ${tenantId}`) ?? withoutSlash(apiUrl),
  };
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
