import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { guardAgainstBrowsers, guardAgainstOtherSites } from './browser-guard.ts';
import { consentRoutes } from './consent-routes.ts';
import type { ControlErrorResponse } from './control-api.ts';
import type { ControlInput } from './control-routes.ts';
import { controlRoutes } from './control-routes.ts';
import { fileRoutes } from './file-routes.ts';
import { pageRoutes } from './page-routes.ts';
import type { ResponseUrls } from './response-urls.ts';
import { SimulatorError } from './simulator-error.ts';
import type { WebApiInput } from './web-api/web-api-routes.ts';
import { webApiRoutes } from './web-api/web-api-routes.ts';

export interface SimulatorPluginInput {
  readonly webApi: WebApiInput;
  readonly control: ControlInput;
  readonly responses: ResponseUrls;
  /** Folder with the built page. */
  readonly pageDir: string | undefined;
  /** Host names besides loopback that the page may be opened under. */
  readonly allowedHosts: readonly string[];
}

/** Everything the simulator serves: `api/` for the app, `control/` and the page for people, relative to the prefix. */
export function simulatorPlugin(input: SimulatorPluginInput): FastifyPluginAsync {
  return async (app) => {
    input.webApi.sockets.attach(app.server, app.prefix);
    app.addHook('preClose', async () => {
      input.control.stream.close();
      input.webApi.sockets.stop();
    });

    app.addHook('onListen', async () => input.responses.listeningAt(addressOf(app)));
    await app.register(async (api) => {
      api.addHook('onRequest', async (request) => guardAgainstBrowsers(request));
      api.setErrorHandler(sendError);
      await api.register(webApiRoutes(input.webApi), { prefix: '/api' });
      await api.register(fileRoutes(input.webApi));
      api.post<{ Params: { id: string } }>('/response/:id', async (request, reply) => {
        const { status, text } = input.responses.use(request.params.id, request.body);
        return reply.status(status).type('text/plain').send(text);
      });
    });

    await app.register(async (guarded) => {
      guarded.addHook('onRequest', async (request) => guardAgainstOtherSites(request, input.allowedHosts));
      guarded.setErrorHandler(sendError);
      await guarded.register(consentRoutes(input.webApi.oauth, input.control.workspaces), {
        prefix: '/oauth/v2',
      });
      await guarded.register(controlRoutes(input.control), { prefix: '/control' });
      await guarded.register(pageRoutes(input.pageDir));
    });
  };
}

/** On loopback, as all of it. */
function addressOf(app: FastifyInstance): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://127.0.0.1:${port}${app.prefix}`;
}

function sendError(error: unknown, _request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = error instanceof SimulatorError ? error.status : statusOf(error);
  const code = error instanceof SimulatorError ? error.code : 'failed';
  const message = error instanceof Error ? error.message : String(error);
  const answer: ControlErrorResponse = { error: code, message };
  return reply.status(status).send(answer);
}

function statusOf(error: unknown): number {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  return status >= 400 && status < 600 ? status : 500;
}
