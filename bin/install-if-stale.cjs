'use strict';

const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
const { constants } = require('node:os');
const { join } = require('node:path');
const { claimInstall } = require('./claim-install.cjs');
const { plainError } = require('./report-failure.cjs');
const { runNpm } = require('./run-npm.cjs');

/** Installs if what lies in node_modules is not what package-lock.json says. Costs about a millisecond if it is. */
async function installIfStale(root) {
  if (isFresh(root)) return;
  const release = await claimInstall(root);
  try {
    if (isFresh(root)) return; // another process has installed it while we waited
    console.error('konstruct: installing packages …');
    const { code, signal, output } = await installPackages(root);
    if (code !== 0) throw installFailed(output, signal);
    writeStamp(root);
  } finally {
    release();
  }
}

/**
 * `npm ci` wants the lock to name every package for every other system as well, and npm leaves out of it those that the
 * registry it was written against does not have. Then `npm install` brings the same versions and changes no file.
 */
async function installPackages(root) {
  const options = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = await runNpm(['ci', ...options], root);
  if (result.code === 0 || !/\bEUSAGE\b/.test(result.output)) return result;
  return await runNpm(['install', '--no-save', ...options], root);
}

function isFresh(root) {
  const lock = readText(join(root, 'package-lock.json'));
  if (lock === null) return existsSync(join(root, 'node_modules')); // nothing to compare with
  if (readText(stampPath(root)) === hash(lock)) return true;
  // npm's own record: so that whoever ran `npm install` by hand is not made to wait for a second one.
  const installed = readText(join(root, 'node_modules', '.package-lock.json'));
  if (installed === null || !isInstalled(JSON.parse(lock).packages, JSON.parse(installed).packages))
    return false;
  writeStamp(root);
  return true;
}

/** Is every package of the lock there in its version? Optional ones may be missing: most are for other systems. */
function isInstalled(wanted, installed) {
  return Object.entries(wanted).every(([path, { version, optional, devOptional, link }]) => {
    if (!path.startsWith('node_modules/')) return true; // the checkout itself and its workspaces
    const found = installed[path];
    if (!found) return Boolean(optional || devOptional);
    return link ? Boolean(found.link) : found.version === version;
  });
}

function writeStamp(root) {
  const lock = readText(join(root, 'package-lock.json'));
  if (lock === null) return;
  try {
    mkdirSync(join(root, 'node_modules'), { recursive: true });
    writeFileSync(stampPath(root), hash(lock));
  } catch {
    // A checkout that this user may not write to: the comparison is made again the next time.
  }
}

function installFailed(output, signal) {
  if (signal) return plainError('the installation was interrupted.', 128 + constants.signals[signal]);
  const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b/.test(output);
  const advice = offline
    ? 'the npm registry cannot be reached; check the network or the proxy'
    : 'see what npm says above';
  if (output.trim()) console.error(output.trimEnd());
  return plainError(`packages could not be installed: ${advice}, then try again.`);
}

/** Inside node_modules, which `npm ci` empties first: an installation that broke off has no stamp. */
function stampPath(root) {
  return join(root, 'node_modules', '.konstruct-lock-hash');
}

function hash(text) {
  return createHash('sha256').update(text).digest('hex');
}

function readText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

module.exports = { installIfStale };
