import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findFreePort, preferredPort, rememberPort } from './choose-port.ts';

test('prefers the same port for the same cluster, and the one it began with', () => {
  const clusterDir = mkdtempSync(join(tmpdir(), 'konstruct-port-'));
  onTestFinished(() => rmSync(clusterDir, { recursive: true, force: true }));
  expect(preferredPort(clusterDir)).toBe(preferredPort(clusterDir));
  rememberPort(clusterDir, 4711);
  rememberPort(clusterDir, 4712); // a port of one start, because its own was taken
  expect(preferredPort(clusterDir)).toBe(4711);
});

test('steps aside for a port that is taken, and wraps at the end of its range', async () => {
  const server = createServer().listen(29_999, '127.0.0.1');
  onTestFinished(() => {
    server.close();
  });
  await once(server, 'listening');
  const port = await findFreePort(29_999);
  expect(port).toBeGreaterThanOrEqual(20_000);
  expect(port).toBeLessThan(29_999);
});
