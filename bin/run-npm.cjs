'use strict';

const { spawn } = require('node:child_process');
const { delimiter, join } = require('node:path');
const { plainError } = require('./report-failure.cjs');
const { passSignals } = require('./run-child.cjs');

/** npm gives up on a dead network by itself much earlier. In ms. */
const timeoutMs = 15 * 60_000;

/** What an npm that runs us hands down and that would make another npm do something else than a plain install. */
const inheritedSettings =
  /^npm_config_(global|location|prefix|local_prefix|workspace|workspaces|include_workspace_root|omit|include|only|production|dry_run|json|package_lock_only)$/i;

/** Runs npm in the checkout and keeps its output back. Resolves to `{ code, output }`. */
async function runNpm(args, root) {
  const isWindows = process.platform === 'win32';
  const child = spawn(isWindows ? 'npm.cmd' : 'npm', args, {
    cwd: root,
    env: npmEnvironment(root),
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: isWindows,
    windowsHide: true,
    // Not `timeout`: its timer keeps this process alive when npm could not be started at all.
    signal: AbortSignal.timeout(timeoutMs),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const stopPassing = passSignals(child);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => resolve({ code, signal, output }));
    });
  } catch (error) {
    if (error.name === 'AbortError')
      throw plainError(`npm was not done after ${timeoutMs / 60_000} minutes.`);
    if (error.code !== 'ENOENT') throw error;
    throw plainError(
      'npm was not found, and packages have to be installed first: install Node with npm, then try again.',
    );
  } finally {
    stopPassing();
  }
}

/** npm must not run under the runtime that it is about to replace, so the checkout's own tools leave the PATH. */
function npmEnvironment(root) {
  const env = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (!inheritedSettings.test(name)) env[name] = value;
  }
  const ownTools = join(root, 'node_modules');
  env.PATH = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !folder.startsWith(ownTools))
    .join(delimiter);
  return env;
}

module.exports = { runNpm };
