import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A company's web site under a strict policy, and the public address of the installation whose chat it shows. */
export interface Site {
  readonly url: string;
  /** Where the public address leads from now on; `null`: nowhere. */
  leadTo(url: string | null): void;
  /** What `/identity` answers with; `null`: nobody is signed in. */
  identity: string | null;
  close(): Promise<void>;
}

/** @param attributes of the script tag, beside its address */
export async function startSite(attributes: string): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'konstruct-widget-'));
  await buildWidget(folder);
  const script = await readFile(join(folder, 'widget.js'));
  await rm(folder, { recursive: true });
  let target: string | null = null;

  const konstruct = await listen((request, response) => {
    if (request.url === '/widget.js') {
      response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
      return;
    }
    if (target === null) {
      response.writeHead(503).end();
      return;
    }
    const { method, headers } = request;
    const onward = httpRequest(`${target}${request.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });

  const policy = [
    "default-src 'none'",
    `script-src 'self' ${konstruct.url}`,
    "style-src 'self'",
    'img-src data:',
    `connect-src 'self' ${konstruct.url}`,
    "require-trusted-types-for 'script'",
  ].join('; ');
  const site = await listen((request, response) => {
    if (request.url === '/identity') {
      response.writeHead(found.identity === null ? 401 : 200).end(found.identity ?? '');
      return;
    }
    const inside = new URL(request.url ?? '/', site.url).searchParams.get('inside');
    const isMirrored = request.url?.includes('rtl') === true;
    response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': policy }).end(
      `<!doctype html><html lang="en"${isMirrored ? ' dir="rtl"' : ''}><head><meta charset="utf-8"><title>Site</title>
       <meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
       <script src="${konstruct.url}/widget.js" ${attributes}${inside === null ? '' : ` data-inside="${inside}"`} async></script></head>
       <body><h1>A site</h1><a href="#before">Before</a><div id="help"></div><a href="#more">More</a></body></html>`,
    );
  });
  const found: Site = {
    url: site.url,
    identity: null,
    leadTo(url) {
      target = url;
    },
    async close() {
      await Promise.all([site.close(), konstruct.close()]);
    },
  };
  return found;
}

async function listen(listener: RequestListener): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function buildWidget(folder: string): Promise<void> {
  const vite = join(fileURLToPath(import.meta.resolve('vite')), '..', '..', '..', 'bin', 'vite.js');
  const config = ['--config', 'vite.widget.config.ts', '--outDir', folder, '--logLevel', 'warn'];
  await run(process.execPath, [vite, 'build', ...config], {
    cwd: fileURLToPath(new URL('../../../portal/', import.meta.url)),
  });
}
