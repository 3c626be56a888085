import { type Given, type Route, type RouteContext, visibleChannel } from './api-context.ts';
import { interactionAnswer, originalAnswer } from './api-interactions.ts';
import { messageRoutes } from './api-messages.ts';
import { type App, DiscordRefusal, invalidForm, wireChannel } from './discord-world.ts';

const COMMAND_NAME = /^[\p{Ll}\p{Lm}\p{Lo}\p{N}_-]{1,32}$/u;

export const routes: readonly Route[] = [
  ...messageRoutes,
  interactionAnswer,
  originalAnswer,
  {
    name: 'get application',
    method: 'GET',
    path: /^\/applications\/@me$/,
    fields: [],
    run: ({ app }) => ({
      id: app.id,
      name: app.user.global_name,
      description: '',
      verify_key: app.publicKey,
      bot_public: app.isPublic,
      bot: app.user,
      flags: app.canReadMessages ? 1 << 19 : 0,
      interactions_endpoint_url: app.interactionsEndpointUrl,
    }),
  },
  { name: 'get own user', method: 'GET', path: /^\/users\/@me$/, fields: [], run: ({ app }) => app.user },
  {
    name: 'get own servers',
    method: 'GET',
    path: /^\/users\/@me\/guilds$/,
    fields: [],
    run: ({ world, app }) =>
      [...world.servers.values()].flatMap(({ id, name, bots }) => {
        const permissions = bots.get(app.user.id);
        return permissions === undefined
          ? []
          : [{ id, name, icon: null, owner: false, permissions: String(permissions), features: [] }];
      }),
  },
  {
    name: 'get user',
    method: 'GET',
    path: /^\/users\/(\d+)$/,
    fields: [],
    run({ world }, [id = '']) {
      const user = world.users.get(id);
      if (user === undefined) throw new DiscordRefusal(404, 10013, 'Unknown User');
      return user;
    },
  },
  {
    name: 'get gateway',
    method: 'GET',
    path: /^\/gateway\/bot$/,
    fields: [],
    run: ({ world, app }) => ({
      url: world.baseUrl().replace(/^http/, 'ws'),
      shards: app.shards,
      session_start_limit: {
        total: 1_000,
        remaining: app.sessionsLeft,
        reset_after: 3_600_000,
        max_concurrency: 1,
      },
    }),
  },
  {
    name: 'get commands',
    method: 'GET',
    path: /^\/applications\/(\d+)\/commands$/,
    fields: [],
    run: (context, [id]) => ownApp(context, id).commands,
  },
  {
    name: 'create command',
    method: 'POST',
    path: /^\/applications\/(\d+)\/commands$/,
    fields: ['name', 'type', 'description', 'options', 'integration_types', 'contexts'],
    run(context, [id], given) {
      const {
        name,
        description,
        options = [],
      } = given as { name?: string; description?: string; options?: Given[] };
      const app = ownApp(context, id);
      if (typeof name !== 'string' || !COMMAND_NAME.test(name))
        throw invalidForm('name', 'Command name is invalid');
      for (const text of [description, ...options.map((option) => option.description)]) {
        if (typeof text !== 'string' || text.length < 1 || text.length > 100)
          throw invalidForm('description', 'Must be between 1 and 100 in length.');
      }
      const command = {
        ...given,
        id: context.world.nextId(),
        application_id: app.id,
        version: context.world.nextId(),
      };
      app.commands.push(command as unknown as App['commands'][number]);
      return command;
    },
  },
  {
    name: 'get channel',
    method: 'GET',
    path: /^\/channels\/(\d+)$/,
    fields: [],
    run: (context, [id]) => wireChannel(visibleChannel(context, id)),
  },
];

function ownApp({ app }: RouteContext, id: string | undefined): App {
  if (app.id !== id)
    throw new DiscordRefusal(403, 20012, 'You are not authorized to perform this action on this application');
  return app;
}
