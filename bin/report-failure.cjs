'use strict';

/** One clear line for what can be expected to go wrong (`plain`), the stack for what cannot. */
function reportFailure(error) {
  console.error(error?.plain ? `konstruct: ${error.message}` : error);
  process.exitCode = error?.exitCode ?? 1;
}

/** An error whose message says all there is to say: what happened and what to do. */
function plainError(message, exitCode = 1) {
  return Object.assign(new Error(message), { plain: true, exitCode });
}

module.exports = { reportFailure, plainError };
