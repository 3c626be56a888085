'use strict';

// run-main MAIN ARGUMENTS…: what `konstruct` starts under the right runtime. The other end of the pipe 3 is held by our
// parent alone, so it closes when the parent ends, in whatever way. To whoever started `konstruct` the two are one
// process: a `kill -9` of it is one of us as well; otherwise we would go on and hold its port and data folder.
// A file of its own rather than `--require`, which worker threads and forked processes would inherit.
const { Socket } = require('node:net');
const { pathToFileURL } = require('node:url');

if (process.platform !== 'win32') {
  const parent = new Socket({ fd: 3, readable: true, writable: false });
  const end = () => process.kill(process.pid, 'SIGKILL');
  parent.on('error', end).on('close', end).resume();
  parent.unref();
}

process.argv.splice(1, 1);
void import(pathToFileURL(process.argv[1]).href);
