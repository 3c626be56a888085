import { randomBytes } from 'node:crypto';
import { KonstructError } from '../../core/errors.ts';
import type { Visitor, VisitorDesk } from '../../core/visitor.ts';
import { type Identity, identityOfRequest, MIN_SECRET_CHARACTERS, signIdentity } from './identity-token.ts';

/** A stranger comes back to their conversation for this long after their last visit. */
const STRANGER_MS = 180 * 86_400_000;
/** What comes before the id: a site cannot name a visitor so that they get a stranger's conversation. */
const KNOWN = 'v:';
const STRANGER = 'a:';

export const visitors: VisitorDesk = {
  visitorOf(request) {
    const identity = identityOfRequest(request);
    return identity && toVisitor(identity);
  },

  admitStranger({ secret = '' }, known, nowMs) {
    if (secret.length < MIN_SECRET_CHARACTERS) throw new KonstructError('signing_secret_missing');
    const subject = known?.isAnonymous
      ? known.channelId.slice(STRANGER.length)
      : randomBytes(18).toString('base64url');
    const identity = { subject, name: null, isAnonymous: true, expiresAtMs: nowMs + STRANGER_MS };
    return { token: signIdentity(identity, secret), visitor: toVisitor(identity) };
  },
};

function toVisitor({ subject, name, isAnonymous, expiresAtMs }: Identity): Visitor {
  return { channelId: `${isAnonymous ? STRANGER : KNOWN}${subject}`, name, isAnonymous, expiresAtMs };
}
