import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { ConsentRequest, OAuth } from './oauth.ts';
import type { Workspace } from './workspace.ts';

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/**
 * Slack's consent page: `authorize` asks, `decide` sends the browser back. Everybody here may install everything.
 * Source: https://docs.slack.dev/authentication/installing-with-oauth#asking
 */
export function consentRoutes(oauth: OAuth, workspaces: ReadonlyMap<string, Workspace>): FastifyPluginAsync {
  return async (app) => {
    app.get('/authorize', async (request, reply) => {
      const wanted = readRequest(request);
      const refusal = oauth.refusal(wanted);
      if (refusal !== null) return sendRefusal(reply, refusal);
      return reply.headers(headers).send(consentPage(wanted, [...workspaces.values()]));
    });
    app.get('/decide', async (request, reply) => {
      const wanted = readRequest(request);
      const refusal = oauth.refusal(wanted);
      if (refusal !== null) return sendRefusal(reply, refusal);
      const team = queryOf(request).get('team') ?? '';
      const workspace = workspaces.get(team) ?? null;
      if (team !== '' && workspace === null) return sendRefusal(reply, 'No such workspace');
      return reply.redirect(oauth.decide(wanted, workspace));
    });
  };
}

function consentPage(wanted: ConsentRequest, workspaces: readonly Workspace[]): string {
  const href = (team: string): string => {
    const query = new URLSearchParams({
      client_id: wanted.clientId,
      scope: wanted.scope,
      redirect_uri: wanted.redirectUri,
      state: wanted.state,
      team,
    });
    return escapeHtml(`decide?${query}`);
  };
  const choices = workspaces.map(
    ({ seed }) => `<li><a href="${href(seed.id)}">Allow in ${escapeHtml(seed.name)}</a></li>`,
  );
  return page(
    'An app asks for permission',
    `<p>It wants: ${escapeHtml(wanted.scope.split(',').join(', '))}</p>
<ul>${choices.join('')}<li><a href="${href('')}">Cancel</a></li></ul>`,
  );
}

function sendRefusal(reply: FastifyReply, refusal: string): FastifyReply {
  const html = page('Something is wrong with this request', `<p>${escapeHtml(refusal)}</p>`);
  return reply.status(400).headers(headers).send(html);
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title} · Simulator</title></head>
<body><h1>${title}</h1>
${body}
</body></html>
`;
}

function readRequest(request: FastifyRequest): ConsentRequest {
  const query = queryOf(request);
  return {
    clientId: query.get('client_id') ?? '',
    scope: query.get('scope') ?? '',
    redirectUri: query.get('redirect_uri') ?? '',
    state: query.get('state') ?? '',
  };
}

function queryOf(request: FastifyRequest): URLSearchParams {
  return new URLSearchParams(request.url.split('?', 2)[1] ?? '');
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
