import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { recordingLog } from '../../test/support/recording-log.ts';
import type { ChannelInstallation, IssuedCredentials } from '../core/channel.ts';
import { connectionOwner, createCipher } from '../core/cipher.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { KonstructError } from '../core/errors.ts';
import type { Credentials } from '../core/tenant.ts';
import { createCredentialRenewal } from './create-credential-renewal.ts';

const cipher = createCipher([randomBytes(32)]);
const first: Credentials = { botToken: 'one', refreshToken: 'r1' };
const second: Credentials = { botToken: 'two', refreshToken: 'r2' };
const sealed = cipher.encrypt(JSON.stringify(first), connectionOwner('t', 'c'));
const connection = {
  id: 'c',
  tenantId: 't',
  channel: 'slack',
  externalId: 'T1',
  credentials: sealed.toString('base64'),
} as ResolvedConnection;
const access = { connectionId: 'c', externalId: 'T1', credentials: first };

/** A store in memory whose one connection expires when the platform says so. */
function start(renew: (signal: AbortSignal) => Promise<IssuedCredentials>) {
  let stored = first;
  const disabled: string[] = [];
  const log = recordingLog();
  const installation = { renew: (_: Credentials, signal: AbortSignal) => renew(signal) };
  const renewal = createCredentialRenewal({
    installations: () => new Map([['slack', installation as ChannelInstallation]]),
    find: async () => connection,
    listExpiring: async () => [connection],
    async renewStored(_connection, { isGood, renew: ask }) {
      if (isGood(stored, null)) return stored;
      stored = (await ask(stored)).credentials;
      return stored;
    },
    async disableConnection(_connection, reason) {
      disabled.push(reason);
      return { outcome: 'disabled', waiting: 0 };
    },
    cipher,
    wallClock: Date.now,
    log,
  });
  return { renewal, disabled, log, stored: () => stored };
}

const refused = (platformError: string) => () =>
  Promise.reject(new KonstructError('platform_rejected', undefined, { details: { platformError } }));

describe('a renewal', () => {
  it('goes on when whoever asked for it gives up: what the platform gives out once is not lost', async () => {
    const issued = Promise.withResolvers<IssuedCredentials>();
    let ended = false;
    const { renewal, stored } = start((signal) => {
      signal.addEventListener('abort', () => {
        ended = true;
      });
      return issued.promise;
    });
    const giveUp = new AbortController();
    const impatient = renewal.renew('slack')(access, giveUp.signal);
    const patient = renewal.renew('slack')(access, new AbortController().signal);
    giveUp.abort();
    await expect(impatient).rejects.toMatchObject({ code: 'aborted' });
    issued.resolve({ credentials: second, expiresAtMs: null });
    expect(await patient).toEqual(second);
    expect([ended, stored()]).toEqual([false, second]);
  });

  it('that is refused for good ends an expired connection', async () => {
    const { renewal, disabled } = start(refused('invalid_refresh_token'));
    await renewal.renewExpiring(new AbortController().signal);
    expect(disabled).toEqual(['token_expired']);
  });

  it.each(['bad_client_secret', 'invalid_client_id'])(
    'that fails for what an operator can mend ends nothing: %s',
    async (reason) => {
      const { renewal, disabled, log } = start(refused(reason));
      await renewal.renewExpiring(new AbortController().signal);
      expect(disabled).toEqual([]);
      expect(log.lines.map(({ event }) => event)).toEqual(['credentials.not_renewed']);
    },
  );
});
