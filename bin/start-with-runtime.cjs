'use strict';

const { delimiter, dirname, join } = require('node:path');
const { findRuntime } = require('./find-runtime.cjs');
const { installIfStale } = require('./install-if-stale.cjs');
const { plainError } = require('./report-failure.cjs');
const { runChild } = require('./run-child.cjs');

const root = join(__dirname, '..');

/** Runs a command, in the caller's folder, so that `node`, `vitest` and so on are the checkout's. */
async function startWithRuntime([command, ...args]) {
  if (command === undefined) throw plainError('usage: with-runtime COMMAND [ARGUMENTS…]', 2);
  await installIfStale(root);
  const runtime = await findRuntime(root);
  const path = [join(root, 'node_modules', '.bin'), dirname(runtime), process.env.PATH ?? ''].join(delimiter);
  process.exitCode = await runChild(command, args, {
    env: { ...process.env, PATH: path },
    shell: process.platform === 'win32', // where the tools are .cmd files
  });
}

module.exports = { startWithRuntime };
