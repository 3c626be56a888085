import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import type { Random } from '../core/clock.ts';
import type { FileResponse } from './control-api.ts';
import type { FileStore } from './file-store.ts';
import { findWorkspace } from './find-in-workspaces.ts';
import { parseControlRequest } from './parse-control-request.ts';
import { SimulatorError } from './simulator-error.ts';
import { slackId } from './slack-ids.ts';
import type { Workspace } from './workspace.ts';

const MAX_BYTES = 50 * 1024 * 1024;
/** A browser draws these and runs nothing of them; everything else is saved instead of opened. */
const DRAWN = /^image\/(png|jpeg|gif|webp|avif)$/;
const MEDIA_TYPE = /^[a-z0-9.+-]+\/[a-z0-9.+-]+$/;

const uploadParams = z.object({ workspaceId: z.string() });
const fileParams = uploadParams.extend({ fileId: z.string() });
const uploadQuery = z.object({ name: z.string().trim().min(1).max(255) });

/** What people attach and what they look at, see `control-api.ts`. */
export function controlFileRoutes(input: {
  readonly workspaces: ReadonlyMap<string, Workspace>;
  readonly files: FileStore;
  readonly random: Random;
}): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));

    app.post('/workspaces/:workspaceId/files', { bodyLimit: MAX_BYTES }, async (request, reply) => {
      const { workspaceId } = parseControlRequest(uploadParams, request.params);
      const workspace = findWorkspace(input.workspaces, workspaceId);
      const { name } = parseControlRequest(uploadQuery, request.query);
      const content = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      if (content.length === 0) throw new SimulatorError('invalid_request', 400, 'The file is empty.');
      const named = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
      const mediaType = MEDIA_TYPE.test(named) ? named : 'application/octet-stream';
      const id = slackId('F', input.random);
      input.files.put(id, { workspace, name, mediaType, content });
      const answer: FileResponse = {
        file: { id, name, mediaType, sizeBytes: content.length, isKept: true },
      };
      return reply.status(201).send(answer);
    });

    app.get('/workspaces/:workspaceId/files/:fileId', async (request, reply) => {
      const { workspaceId, fileId } = parseControlRequest(fileParams, request.params);
      const file = input.files.get(fileId);
      if (file === undefined || file.workspace.seed.id !== workspaceId)
        throw new SimulatorError('not_found', 404, 'What this file held is not here any more.');
      const shown = DRAWN.test(file.mediaType) ? 'inline' : 'attachment';
      return (
        reply
          // A picture may be a program (SVG, HTML): it must not run as a part of this page's site.
          .headers({
            'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
            'content-disposition': `${shown}; filename*=UTF-8''${encodeName(file.name)}`,
            'cross-origin-resource-policy': 'same-origin',
          })
          .type(file.mediaType)
          .send(Buffer.from(file.content))
      );
    });
  };
}

/** Source: https://www.rfc-editor.org/rfc/rfc8187#section-3.2.1 */
function encodeName(name: string): string {
  return encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
