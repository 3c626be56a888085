import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTlsFiles } from './create-tls-files.ts';
import { findProgram } from './find-program.ts';

const START_TIMEOUT_MS = 10_000;
const program = findProgram(['nginx']) ?? findProgram(['/usr/sbin/nginx']);

export const nginxIsMissing = program === null || findProgram(['openssl']) === null;

export interface NginxServer {
  readonly url: string;
  /** That vouches for it. */
  readonly certificate: string;
  close(): Promise<void>;
}

/**
 * A real nginx of this test's own.
 * @param server a `server { … }` with TLS on port 443 and a certificate in /etc/ssl, in front of 127.0.0.1:8001; port,
 *   certificate and what it stands in front of are replaced
 */
export async function startNginx(server: string, target: string): Promise<NginxServer> {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-nginx-'));
  chmodSync(folder, 0o755); // as root its workers are somebody else, and keep large bodies in files
  const tls = createTlsFiles();
  const port = await freePort();
  const site = server
    .replace('listen 443', `listen 127.0.0.1:${port}`)
    .replace(/(ssl_certificate +)\S+;/, `$1${tls.certificate};`)
    .replace(/(ssl_certificate_key +)\S+;/, `$1${tls.key};`)
    .replaceAll('http://127.0.0.1:8001', target);
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    [
      'daemon off;',
      'worker_processes 1;',
      `pid ${join(folder, 'pid')};`,
      'error_log stderr warn;',
      'events {}',
      'http {',
      'access_log off;',
      ...kinds.map((kind) => `${kind}_temp_path ${join(folder, kind)};`),
      site,
      '}',
    ].join('\n'),
  );
  const child = spawn(program as string, ['-p', folder, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const exited = once(child, 'exit');
  const url = `https://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exited;
    tls.close();
    rmSync(folder, { recursive: true, force: true });
  };
  const deadlineMs = Date.now() + START_TIMEOUT_MS;
  while (!(await isListening(port))) {
    if (child.exitCode === null && Date.now() < deadlineMs) {
      await sleep(20);
      continue;
    }
    await close();
    throw new Error(`nginx did not start: ${errors}`);
  }
  return { url, certificate: tls.certificate, close };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
