import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const css = readFileSync(new URL('./styles.ts', import.meta.url), 'utf8');

/** `[light, dark]` of a custom property: a colour, or a site's choice with a colour for those who chose none. */
function colours(name: string): readonly string[] {
  const pair = new RegExp(`--${name}:[^;]*light-dark\\((#\\w+), (#\\w+)\\)`).exec(css);
  return pair?.slice(1) ?? [];
}

function luminance(hex: string): number {
  const long = hex.length === 4 ? hex.replaceAll(/[^#]/g, '$&$&') : hex;
  const [red = 0, green = 0, blue = 0] = [1, 3, 5]
    .map((place) => Number.parseInt(long.slice(place, place + 2), 16) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Source: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

it.each([
  ...([
    ['ink', 'paper', 4.5],
    ['ink', 'sunken', 4.5],
    ['soft', 'paper', 4.5],
    ['soft', 'sunken', 4.5],
    ['link', 'sunken', 4.5],
    ['link', 'paper', 4.5],
    ['accent-ink', 'accent', 4.5],
    ['bad', 'bad-soft', 4.5],
    ['bad', 'paper', 4.5],
    ['paper', 'ink', 4.5],
    ['focus', 'paper', 3],
    ['edge', 'paper', 3],
    ['accent', 'paper', 3],
  ] as const),
])('%s on %s has a contrast of at least %d, light and dark', (text, ground, least) => {
  for (const theme of [0, 1]) {
    const [one, other] = [colours(text)[theme], colours(ground)[theme]];
    expect(contrast(one ?? '', other ?? ''), `theme ${theme}`).toBeGreaterThanOrEqual(least);
  }
});
