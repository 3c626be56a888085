import type { FastifyPluginAsync } from 'fastify';
import { mediaTypeOf } from './media-types.ts';
import { grantedScopes } from './web-api/api-method.ts';
import { bearerToken, type WebApiInput } from './web-api/web-api-routes.ts';

/** What Slack shows to whoever may not read a file: the page where people sign in. */
const SIGN_IN = '<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body></body></html>';

/** Fetching and uploading what files hold. Source: https://docs.slack.dev/messaging/working-with-files */
export function fileRoutes({ files, workspaceByToken, oauth }: WebApiInput): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.get<{ Params: { id: string; name: string } }>('/files-pri/:id/:name', async (request, reply) => {
      const token = bearerToken(request) ?? '';
      const issued = oauth.tokenState(token);
      const workspace = 'workspace' in issued ? issued.workspace : workspaceByToken(token);
      const file = files.get(request.params.id);
      const mayRead =
        issued.kind !== 'expired' &&
        workspace?.installation === 'installed' &&
        workspace.seed.id === file?.workspace.seed.id &&
        grantedScopes(workspace).includes('files:read');
      if (file === undefined || !mayRead) return reply.type('text/html; charset=utf-8').send(SIGN_IN);
      return reply.type('application/octet-stream').send(Buffer.from(file.content));
    });
    app.post<{ Params: { id: string } }>(
      '/upload/v1/:id',
      { bodyLimit: 200 * 1024 * 1024 },
      async (request, reply) => {
        const upload = files.pending(request.params.id);
        const content = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        if (upload === undefined) return reply.status(404).send('no such upload');
        if (content.length !== upload.sizeBytes) return reply.status(400).send('length mismatch');
        const { id, workspace, name } = upload;
        files.put(id, { workspace, name, mediaType: mediaTypeOf(name), content });
        return reply.type('text/plain').send(`OK - ${content.length}`);
      },
    );
  };
}
