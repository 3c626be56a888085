import { defineConfig } from 'vitest/config';

/** What a person does in a browser: needs a Chromium (/usr/bin/chromium, or what CHROMIUM names), and is left out without. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 40_000,
    hookTimeout: 60_000,
  },
});
