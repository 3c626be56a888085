import { expect, it } from 'vitest';
import { storable } from './storable.ts';

it('takes out what PostgreSQL refuses and leaves the rest', () => {
  expect(storable('a\0b\ud800c')).toBe('ab\ufffdc');
  expect(storable('שלום 👩‍👩‍👧 é')).toBe('שלום 👩‍👩‍👧 é');
});
