import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // What needs a browser has a run of its own: npm run test:browser.
    exclude: ['test/browser/**', '**/node_modules/**'],
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'portal/src/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A third of the time of a test with a whole installation is waiting.
    maxWorkers: 3,
    // Nothing happens at import and there are no singletons: files of one worker share the modules, which are read once.
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
