'use strict';

const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');
const { findRuntime, isNewEnough, minimumVersion } = require('./find-runtime.cjs');
const { installIfStale } = require('./install-if-stale.cjs');
const { plainError } = require('./report-failure.cjs');
const { runChild } = require('./run-child.cjs');

const root = join(__dirname, '..');

/**
 * Runs the command line in the caller's folder: from the sources in a checkout, from `dist` where published.
 * In this very process when it already is the right runtime (always so below npm scripts), else in a child.
 */
async function startKonstruct(args) {
  const isCheckout = existsSync(join(root, 'src'));
  const main = isCheckout ? join(root, 'src', 'cli', 'main.ts') : join(root, 'dist', 'cli', 'main.js');
  if (isCheckout) await installIfStale(root);
  if (!existsSync(main)) throw plainError(`${main} is missing: this copy of Konstruct is incomplete.`);

  const runtime = isCheckout ? await findRuntime(root) : process.execPath;
  if (runtime === process.execPath) {
    if (!isNewEnough(process.versions.node)) {
      throw plainError(`Node ${minimumVersion} or newer is needed; this is ${process.version}.`);
    }
    process.argv[1] = main;
    await import(pathToFileURL(main).href);
    return;
  }
  const runMain = join(__dirname, 'run-main.cjs');
  process.exitCode = await runChild(runtime, [...process.execArgv, runMain, main, ...args], {
    holdsPipe: true,
  });
}

module.exports = { startKonstruct };
