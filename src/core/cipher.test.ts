import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { connectionOwner, createCipher } from './cipher.ts';

const oldKey = randomBytes(32);
const newKey = randomBytes(32);
const owner = connectionOwner('tenant-a', 'connection-1');

describe('createCipher', () => {
  it('returns what was encrypted', () => {
    const cipher = createCipher([oldKey]);
    expect(cipher.decrypt(cipher.encrypt('xoxb-1-ä', owner), owner)).toBe('xoxb-1-ä');
  });

  it('refuses a ciphertext that was moved to another tenant or connection', () => {
    const cipher = createCipher([oldKey]);
    const envelope = cipher.encrypt('xoxb-1', owner);
    for (const other of [
      connectionOwner('tenant-b', 'connection-1'),
      connectionOwner('tenant-a', 'connection-2'),
    ]) {
      expect(() => cipher.decrypt(envelope, other)).toThrow(
        expect.objectContaining({ code: 'credentials_unreadable' }),
      );
    }
  });

  it('refuses an envelope in which any byte was changed', () => {
    const cipher = createCipher([oldKey]);
    const envelope = cipher.encrypt('xoxb-1', owner);
    for (let index = 0; index < envelope.length; index += 1) {
      const changed = Buffer.from(envelope);
      changed[index] = (changed[index] ?? 0) ^ 1;
      expect(() => cipher.decrypt(changed, owner), `byte ${index}`).toThrow(
        expect.objectContaining({ code: 'credentials_unreadable' }),
      );
    }
  });

  it('reads old envelopes during a rotation and says that they are not current', () => {
    const envelope = createCipher([oldKey]).encrypt('xoxb-1', owner);
    const rotating = createCipher([newKey, oldKey]);
    expect(rotating.decrypt(envelope, owner)).toBe('xoxb-1');
    expect(rotating.isCurrent(envelope)).toBe(false);
    expect(rotating.isCurrent(rotating.encrypt('xoxb-1', owner))).toBe(true);
    expect(() => createCipher([newKey]).decrypt(envelope, owner)).toThrow(
      expect.objectContaining({ code: 'credentials_unreadable' }),
    );
  });

  it('never makes the same envelope twice', () => {
    const cipher = createCipher([oldKey]);
    expect(cipher.encrypt('x', owner).equals(cipher.encrypt('x', owner))).toBe(false);
  });
});
