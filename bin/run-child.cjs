'use strict';

const { spawn } = require('node:child_process');
const { existsSync } = require('node:fs');
const { constants } = require('node:os');
const { delimiter, join } = require('node:path');
const { plainError } = require('./report-failure.cjs');

/**
 * Runs a program in our place: same folder, same input and output, same end. Resolves to the exit code, 128 + n after
 * signal n. With `holdsPipe` it gets a pipe as descriptor 3 that closes when we end (see run-main.cjs).
 */
async function runChild(command, args, { env = process.env, shell = false, holdsPipe = false } = {}) {
  const child = spawn(command, args, {
    env,
    shell,
    stdio: ['inherit', 'inherit', 'inherit', ...(holdsPipe ? ['pipe'] : [])],
  });
  const stopPassing = passSignals(child);
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code, signal) => resolve(code ?? 128 + (constants.signals[signal] ?? 0)));
    });
  } catch (error) {
    const isMissing = error.code === 'ENOENT' || (error.code === 'EACCES' && !isOnPath(command, env));
    if (isMissing) throw plainError(`${command} was not found.`, 127);
    if (error.code === 'EACCES') throw plainError(`${command} may not be executed.`, 126);
    throw error;
  } finally {
    stopPassing();
  }
}

/** One folder of PATH that we may not look into makes "not found" look like "may not be executed". */
function isOnPath(command, env) {
  if (command.includes('/')) return existsSync(command);
  return (env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}

/**
 * Passes on what ends us, once, and waits for the child instead of ending. What a terminal sends (Ctrl-C, hang-up)
 * reaches the child by itself, because it belongs to the same group; passing it on would stop it twice.
 */
function passSignals(child) {
  const hasTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  const handlers = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'].map((signal) => {
    const handler = () => {
      if (signal === 'SIGTERM' || !hasTerminal) child.kill(signal);
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const remove of handlers) remove();
  };
}

module.exports = { runChild, passSignals };
