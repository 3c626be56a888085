import type { ConnectionFinding, ExaminedEnvironment } from '../../core/channel.ts';
import type { ConnectionAccess } from '../../core/outbound.ts';
import { MIN_SECRET_CHARACTERS } from './identity-token.ts';

/** Whether browsers can find us, which sites may show the chat, and whether their visitors can be believed. */
export function examine(
  { credentials, externalId }: ConnectionAccess,
  { webhookUrl, settings = {} }: ExaminedEnvironment,
): readonly ConnectionFinding[] {
  const { allowedOrigins = [], allowAnonymous = false } = settings;
  const findings: ConnectionFinding[] = [];
  if ((credentials.secret ?? '').length < MIN_SECRET_CHARACTERS) {
    findings.push({
      level: 'problem',
      text: `its secret has fewer than ${MIN_SECRET_CHARACTERS} characters, so no visitor is let in.`,
      remedy: 'Make one with `openssl rand -base64 32`, apply it, and give it to the site’s server.',
    });
  }
  if (allowedOrigins.length === 0) {
    findings.push({
      level: 'warning',
      text: 'no site may show it but pages of this installation.',
      remedy: 'Name the sites under settings: `allowedOrigins: ["https://www.example.com"]`.',
    });
  }
  for (const origin of allowedOrigins) {
    if (origin.startsWith('https://') || isThisMachine(origin)) continue;
    findings.push({
      level: 'warning',
      text: `${origin} is not encrypted: whoever is on the way reads along, and can speak as a visitor.`,
      remedy: 'Serve the site by https and name that address.',
    });
  }
  if (webhookUrl === null) {
    findings.push({
      level: 'warning',
      text: 'only browsers on this machine find it.',
      remedy: 'Set KONSTRUCT_PUBLIC_URL to the https address of this installation.',
    });
  } else if (!webhookUrl.startsWith('https://') && !isThisMachine(webhookUrl)) {
    findings.push({
      level: 'problem',
      text: 'browsers do not load it into https pages, because KONSTRUCT_PUBLIC_URL is not https.',
      remedy: 'Put a certificate in front of Konstruct and set KONSTRUCT_PUBLIC_URL to https.',
    });
  }
  findings.push({
    level: 'ok',
    text: allowAnonymous
      ? 'it takes visitors whom the site does not know (settings.allowAnonymous).'
      : 'it takes only visitors for whom the site vouches with a signed identity.',
    remedy: null,
  });
  if (webhookUrl !== null && allowedOrigins.length > 0) {
    const script = `${new URL('/widget.js', webhookUrl)}`;
    findings.push({
      level: 'ok',
      text: `the tag is <script src="${script}" data-connection="${externalId}" async></script>.`,
      remedy: null,
    });
  }
  return findings;
}

function isThisMachine(address: string): boolean {
  return /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d+)?(\/|$)/.test(address);
}
