import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { FastifyPluginAsync } from 'fastify';
import { KonstructError } from '../core/errors.ts';

/** Pages ask again after five minutes, and mostly hear that nothing has changed. */
const CACHE = 'public, max-age=300, stale-while-revalidate=86400';

interface Script {
  readonly modifiedMs: number;
  readonly body: Buffer;
  readonly tag: string;
}

/**
 * `GET /widget.js`, the script that companies put on their sites.
 * @param file where the build has put it; read when it is first asked for, and again when it has changed
 */
export function widgetScript(file: string | null): FastifyPluginAsync {
  let script: Script | null = null;

  async function load(): Promise<Script> {
    if (file === null) throw new KonstructError('not_found');
    try {
      const { mtimeMs } = await stat(file);
      if (script?.modifiedMs !== mtimeMs) {
        const body = await readFile(file);
        const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
        script = { modifiedMs: mtimeMs, body, tag };
      }
      return script;
    } catch (cause) {
      throw new KonstructError('not_found', 'The web chat’s script is not built: run `npm run build`.', {
        cause,
      });
    }
  }

  return async (app) => {
    app.get('/widget.js', async (request, reply) => {
      const { body, tag } = await load();
      reply.headers({
        etag: tag,
        'cache-control': CACHE,
        'cross-origin-resource-policy': 'cross-origin', // it is made for other sites' pages
        'access-control-allow-origin': '*', // for `integrity`, which needs `crossorigin`
        'x-content-type-options': 'nosniff',
      });
      if (request.headers['if-none-match'] === tag) return reply.code(304).send();
      return reply.type('text/javascript; charset=utf-8').send(body);
    });
  };
}
