import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { canReach, chooseServerAccount } from './server-account.ts';

const root = 'root:x:0:0:root:/root:/bin/sh';
const nobody = 'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin';
const konstruct = 'konstruct:x:998:997::/srv/konstruct:/bin/sh';

test('runs as ourselves unless we are root', () => {
  expect(chooseServerAccount('/none', `${root}\n${nobody}\n`, 1000)).toBeNull();
});

test('runs for root as a user of its own if there is one, else as nobody', () => {
  expect(chooseServerAccount('/none', `${root}\n${nobody}\n${konstruct}\n`, 0)).toEqual({
    name: 'konstruct',
    uid: 998,
    gid: 997,
  });
  expect(chooseServerAccount('/none', `${root}\n${nobody}\n`, 0)?.name).toBe('nobody');
});

test('says what to do where there is no user to run it as', () => {
  expect(() => chooseServerAccount('/none', `${root}\n`, 0)).toThrow(/DATABASE_URL/);
});

test('sees that a closed folder on the way cannot be entered by another user', () => {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-reach-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'inner'));
  const stranger = { name: 'stranger', uid: 54_321, gid: 54_321 };
  expect(canReach(stranger, join(folder, 'inner'))).toBe(false);
  expect(canReach(null, join(folder, 'inner'))).toBe(true);
  chmodSync(folder, 0o711);
  expect(canReach(stranger, join(folder, 'inner'))).toBe(true);
});
