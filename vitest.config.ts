import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    // What needs a browser has a run of its own: npm run test:browser.
    exclude: ['test/browser/**', '**/node_modules/**'],
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'portal/src/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // More than there are cores: half of the time of a test with a whole installation is waiting.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    // Nothing happens at import and there are no singletons: files of one worker share the modules, which are read once.
    isolate: false,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
