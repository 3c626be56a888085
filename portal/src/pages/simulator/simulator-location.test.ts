import { describe, expect, it } from 'vitest';
import { formatLocation, parseLocation, startLocation } from './simulator-location.ts';

describe('simulator location', () => {
  it.each([
    '#/',
    '#/T0ACME',
    '#/T0ACME/C0SUPPORT',
    '#/T0ACME/C0SUPPORT/faults',
    '#/T0ACME/C0SUPPORT/way',
    '#/T0ACME/C0SUPPORT/way/1723456789.000100',
  ])('reads and writes %s alike', (hash) => {
    expect(formatLocation(parseLocation(hash))).toBe(hash);
  });

  it('takes an address it does not know for the start', () => {
    expect(parseLocation('')).toEqual(startLocation);
    expect(parseLocation('#/T/C/elsewhere/%E0%A4%A').panel).toBeNull();
  });
});
