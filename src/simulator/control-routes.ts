import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import type { DeliveryAttempt, FaultPlanRequest, Journey } from './control-api.ts';
import { viewMessage, viewWorkspace } from './control-view.ts';
import type { EventStream } from './event-stream.ts';
import type { FaultBoard } from './fault-board.ts';
import { faultPlanSchema } from './fault-schema.ts';
import { typedToSlack } from './message-text.ts';
import { SimulatorError } from './simulator-error.ts';
import type { StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';
import { threadMessages, topLevelMessages } from './workspace.ts';
import type { WorkspaceActions } from './workspace-actions.ts';

export interface ControlInput {
  readonly workspaces: ReadonlyMap<string, Workspace>;
  readonly actions: WorkspaceActions;
  readonly faults: FaultBoard;
  readonly stream: EventStream;
  readonly deliveries: (workspaceId: string | null) => readonly DeliveryAttempt[];
  readonly journeys: (workspaceId: string, channelId: string) => readonly Journey[];
}

const DEFAULT_PAGE = 200;

const channelParams = z.object({ workspaceId: z.string(), channelId: z.string() });
const messageParams = channelParams.extend({ messageId: z.string() });
const fileSchema = z.object({
  name: z.string().min(1).max(255),
  mediaType: z.string().max(255),
  sizeBytes: z.int().nonnegative(),
});
const postSchema = z
  .object({
    userId: z.string(),
    text: z.string().max(40_000),
    threadId: z.string().optional(),
    files: z.array(fileSchema).max(10).optional(),
  })
  .refine(
    (body) => body.text.trim() !== '' || (body.files?.length ?? 0) > 0,
    'A message needs text or a file.',
  );
const editSchema = z.object({ text: z.string().min(1).max(40_000) });
const installationSchema = z.object({ state: z.enum(['installed', 'app_uninstalled', 'tokens_revoked']) });
const messagesQuery = z.object({
  threadId: z.string().optional(),
  before: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(DEFAULT_PAGE),
});
const workspaceQuery = z.object({ workspaceId: z.string().optional() });

/** What the page and scripts use; the shapes and paths are those of `control-api.ts`. */
export function controlRoutes(input: ControlInput): FastifyPluginAsync {
  const findWorkspace = (id: string): Workspace => {
    const workspace = input.workspaces.get(id);
    if (!workspace) throw notFound(`There is no workspace ${id}.`);
    return workspace;
  };
  const findChannel = (params: unknown) => {
    const { workspaceId, channelId } = parse(channelParams, params);
    const workspace = findWorkspace(workspaceId);
    const channel = workspace.channels.get(channelId);
    if (!channel) throw notFound(`There is no channel ${channelId} in ${workspace.seed.name}.`);
    return { workspace, channel };
  };
  const findMessage = (params: unknown) => {
    const place = findChannel(params);
    const { messageId } = parse(messageParams, params);
    const message = place.channel.messages.get(messageId);
    if (!message || message.tombstone)
      throw notFound(`There is no message ${messageId} in ${place.channel.name}.`);
    return { ...place, message };
  };

  return async (app) => {
    app.get('/workspaces', async () => ({ workspaces: [...input.workspaces.values()].map(viewWorkspace) }));

    app.post('/workspaces/:workspaceId/installation', async (request) => {
      const { workspaceId } = parse(z.object({ workspaceId: z.string() }), request.params);
      const workspace = findWorkspace(workspaceId);
      input.actions.setInstallation(workspace, parse(installationSchema, request.body).state);
      return { workspace: viewWorkspace(workspace) };
    });

    const messages = '/workspaces/:workspaceId/channels/:channelId/messages';
    app.get(messages, async (request) => {
      const { workspace, channel } = findChannel(request.params);
      const query = parse(messagesQuery, request.query);
      const all = listMessages(channel, query.threadId);
      const older = query.before === undefined ? all : all.filter(({ ts }) => ts < (query.before ?? ''));
      const page = older.slice(-query.limit);
      return {
        messages: page.map((message) => viewMessage(workspace, channel, message)),
        hasMore: page.length < older.length,
      };
    });

    app.post(messages, async (request, reply) => {
      const { workspace, channel } = findChannel(request.params);
      const body = parse(postSchema, request.body);
      const user = workspace.users.get(body.userId);
      if (!user || user.isBot) throw invalid('Only a person of the workspace can write here.');
      if (!channel.memberIds.has(user.id)) throw invalid(`${user.name} is not in ${channel.name}.`);
      const { message } = input.actions.post(workspace, channel, {
        userId: user.id,
        text: typedToSlack(workspace, body.text),
        threadTs: body.threadId ?? null,
        files: body.files ?? [],
      });
      return reply.status(201).send({ message: viewMessage(workspace, channel, message) });
    });

    app.patch(`${messages}/:messageId`, async (request) => {
      const { workspace, channel, message } = findMessage(request.params);
      if (message.botId !== null) throw invalid('The agent’s messages cannot be edited here.');
      const text = typedToSlack(workspace, parse(editSchema, request.body).text);
      const after = input.actions.edit(workspace, channel, message, { text, editorId: message.userId });
      return { message: viewMessage(workspace, channel, after) };
    });

    app.delete(`${messages}/:messageId`, async (request, reply) => {
      const { workspace, channel, message } = findMessage(request.params);
      input.actions.remove(workspace, channel, message);
      return reply.status(204).send();
    });

    app.get('/workspaces/:workspaceId/channels/:channelId/journeys', async (request) => {
      const { workspace, channel } = findChannel(request.params);
      return { journeys: input.journeys(workspace.seed.id, channel.id) };
    });

    app.get('/deliveries', async (request) => ({
      deliveries: input.deliveries(parse(workspaceQuery, request.query).workspaceId ?? null),
    }));

    app.get('/faults', async () => input.faults.plan());
    app.put('/faults', async (request) => {
      // The schema's optional fields are absent or set; zod's types cannot say so.
      return input.faults.update(parse(faultPlanSchema, request.body) as FaultPlanRequest);
    });

    app.get('/events', (request, reply) => input.stream.open(request, reply));
  };
}

function listMessages(channel: WorkspaceChannel, threadId: string | undefined): readonly StoredMessage[] {
  if (threadId === undefined) return topLevelMessages(channel);
  if (!channel.messages.has(threadId)) throw notFound(`There is no message ${threadId} in ${channel.name}.`);
  return threadMessages(channel, threadId);
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(z.prettifyError(result.error));
  return result.data;
}

function notFound(message: string): SimulatorError {
  return new SimulatorError('not_found', 404, message);
}

function invalid(message: string): SimulatorError {
  return new SimulatorError('invalid_request', 400, message);
}
