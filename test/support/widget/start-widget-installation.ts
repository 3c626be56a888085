import { signIdentity } from '../../../src/channels/widget/identity-token.ts';
import type { ConnectionSettings } from '../../../src/core/tenant.ts';
import { type ChannelInstallation, startChannelInstallation } from '../start-channel-installation.ts';

/** Two companies, each with a chat on its site. */
export const acmeSite = {
  name: 'acme-site',
  origin: 'https://www.acme.example',
  secret: 'acme-secret-that-only-its-server-knows',
} as const;
export const globexSite = {
  name: 'globex-site',
  origin: 'https://globex.example',
  secret: 'globex-secret-that-only-its-server-knows',
} as const;

export type WidgetInstallation = ChannelInstallation<readonly [string, string]>;

export function startWidgetInstallation(settings: ConnectionSettings = {}): Promise<WidgetInstallation> {
  const companyOf = (slug: string, { name, origin, secret }: typeof acmeSite | typeof globexSite) => ({
    slug,
    externalId: name,
    credentials: { secret },
    settings: { allowedOrigins: [origin], ratePerMinute: 1_000, ...settings },
    agentName: `Ada of ${slug}`,
  });
  return startChannelInstallation({
    channel: 'widget',
    companies: [companyOf('acme', acmeSite), companyOf('globex', globexSite)],
    closing: [],
  });
}

/** The token that a site's server makes for somebody. */
export function tokenFor(
  subject: string,
  options: { secret?: string; name?: string; seconds?: number } = {},
): string {
  const { secret = acmeSite.secret, name = subject, seconds = 600 } = options;
  return signIdentity(
    { subject, name, isAnonymous: false, expiresAtMs: Date.now() + seconds * 1_000 },
    secret,
  );
}
