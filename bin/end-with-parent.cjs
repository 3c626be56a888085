'use strict';

// Loaded into the child before anything else. The other end of this pipe is held by our parent alone: it closes when
// the parent ends, in whatever way. To the one who started `konstruct` they are one process, so a `kill -9` of the
// parent is one of the child as well; otherwise it would go on and hold the port and the data folder.
const { Socket } = require('node:net');

const parent = new Socket({ fd: 3, readable: true, writable: false });
const end = () => process.kill(process.pid, 'SIGKILL');
parent.on('error', end).on('close', end).resume();
parent.unref();
