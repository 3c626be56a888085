'use strict';

const { existsSync, readFileSync } = require('node:fs');
const { join } = require('node:path');
const { claimInstall } = require('./claim-install.cjs');
const { runNpm } = require('./run-npm.cjs');
const { plainError } = require('./report-failure.cjs');

/** What our dependencies need, and the first 22 that runs TypeScript as it is. */
const minimumVersion = '22.18.0';

/**
 * The Node that the checkout is developed with: the development dependency `node`. Installs that forbid install
 * scripts have its package without the program; then this process's own Node is used if it is new enough, else the
 * script is made up for.
 */
async function findRuntime(root) {
  const pinned = pinnedRuntime(root);
  if (pinned.version === process.versions.node) return process.execPath;
  if (existsSync(pinned.path)) return pinned.path;
  if (isNewEnough(process.versions.node)) return process.execPath;
  const release = await claimInstall(root);
  try {
    if (!existsSync(pinned.path)) await runNpm(['rebuild', 'node', '--ignore-scripts=false'], root);
  } finally {
    release();
  }
  if (existsSync(pinned.path)) return pinned.path;
  throw plainError(
    `Node ${minimumVersion} or newer is needed; this is ${process.version}, and the checkout's own runtime could not be ` +
      'installed. Install a newer Node, or allow the install script: npm rebuild node --ignore-scripts=false',
  );
}

function pinnedRuntime(root) {
  const folder = join(root, 'node_modules', 'node');
  const path = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  try {
    return { path, version: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version };
  } catch {
    return { path, version: null }; // not installed at all, for example with development dependencies left out
  }
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = minimumVersion.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

module.exports = { findRuntime, isNewEnough, minimumVersion };
