import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';

const securityHeaders = {
  'content-security-policy': [
    "default-src 'self'",
    "img-src 'self' data:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; '),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
};

/**
 * The simulator's page from a folder with the built portal; unknown paths get its `index.html`. Where nothing is
 * built, a hint says how to build it.
 */
export function pageRoutes(pageDir: string | undefined): FastifyPluginAsync {
  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.headers(securityHeaders);
    });
    app.addHook('onRequest', async (request, reply) => {
      const [pathname = '', query] = request.url.split('?', 2);
      // The page's assets are relative, so its address must end in a slash.
      if (request.method !== 'GET' || pathname !== app.prefix || app.prefix === '') return;
      await reply.redirect(`${app.prefix}/${query === undefined ? '' : `?${query}`}`);
    });
    const index = pageDir === undefined ? null : path.join(pageDir, 'index.html');
    if (pageDir !== undefined && index !== null && (await exists(index))) {
      await app.register(fastifyStatic, {
        root: path.resolve(pageDir),
        prefix: '/',
        decorateReply: false,
        redirect: false,
      });
    }
    app.setNotFoundHandler(async (request, reply) => {
      const page = index !== null && wantsPage(request) ? await readOrNull(index) : null;
      return page === null
        ? sendHint(request, reply, pageDir)
        : reply.type('text/html; charset=utf-8').send(page);
    });
  };
}

function wantsPage(request: FastifyRequest): boolean {
  return request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
}

function sendHint(request: FastifyRequest, reply: FastifyReply, pageDir: string | undefined): FastifyReply {
  if (!wantsPage(request)) {
    return reply
      .status(404)
      .send({ error: 'not_found', message: `There is nothing at ${request.method} ${request.url}.` });
  }
  const where = pageDir === undefined ? '' : ` (expected in ${escapeHtml(pageDir)})`;
  return reply
    .status(503)
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Simulator</title>
<h1>The simulator runs, its page is not built${where}</h1>
<p>Build it with <code>npm run build</code> and load this page again.
The control API works without it: <a href="control/workspaces">control/workspaces</a>.</p></html>
`);
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}

async function readOrNull(file: string): Promise<Buffer | null> {
  return readFile(file).catch(() => null);
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
