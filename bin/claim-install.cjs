'use strict';

const { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { setTimeout: delay } = require('node:timers/promises');
const { plainError } = require('./report-failure.cjs');

const timeoutMs = 15 * 60_000;

/**
 * Waits until no other process installs into this checkout, then keeps others away until the returned function is
 * called. Each writes a claim of its own first and looks for others then: of two that come at once, at least one steps
 * back. A dead process's claim counts for nothing.
 */
async function claimInstall(root) {
  const folder = join(root, '.install');
  const own = `${process.pid}-${Math.random().toString(36).slice(2)}`;
  const ownPath = join(folder, own);
  const release = () => rmSync(ownPath, { force: true });
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    writeClaim(folder, ownPath);
    const holder = readdirSync(folder).find((claim) => claim !== own && isHeld(folder, claim));
    if (holder === undefined) return release;
    release();
    if (Date.now() > deadline) {
      throw plainError(
        `process ${holder.split('-')[0]} has been installing packages for too long; end it and try again.`,
      );
    }
    await delay(200 + Math.random() * 300);
  }
}

function writeClaim(folder, path) {
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path, '');
  } catch (error) {
    throw plainError(
      `packages have to be installed, and this user may not write to the checkout (${error.message}).`,
    );
  }
}

function isHeld(folder, claim) {
  const path = join(folder, claim);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return false;
  if (isAlive(Number(claim.split('-')[0])) && Date.now() - stat.mtimeMs < timeoutMs) return true;
  rmSync(path, { force: true });
  return false;
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

module.exports = { claimInstall };
