import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // What needs a browser has a run of its own: npm run test:browser.
    exclude: ['test/browser/**', '**/node_modules/**'],
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'portal/src/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
