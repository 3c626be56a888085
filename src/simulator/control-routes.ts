import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import type { Random } from '../core/clock.ts';
import type {
  DeliveriesResponse,
  DeliveryAttempt,
  EditMessageRequest,
  FaultPlan,
  FaultPlanRequest,
  InstallationRequest,
  Journey,
  JourneysResponse,
  MessageResponse,
  MessagesResponse,
  PostMessageRequest,
  PressRequest,
  PressResponse,
  ReactionRequest,
  WorkspaceResponse,
  WorkspacesResponse,
} from './control-api.ts';
import { controlFileRoutes } from './control-file-routes.ts';
import { type ViewMessage, viewWorkspace } from './control-view.ts';
import type { EventStream } from './event-stream.ts';
import type { FaultBoard } from './fault-board.ts';
import { faultPlanSchema } from './fault-schema.ts';
import type { FileStore } from './file-store.ts';
import { findChannel, findMessage, findWorkspace } from './find-in-workspaces.ts';
import { buttonsOf } from './interaction-body.ts';
import type { Interactions } from './interactions.ts';
import { typedToSlack } from './message-text.ts';
import { parseControlRequest as parse } from './parse-control-request.ts';
import { SimulatorError } from './simulator-error.ts';
import type { StoredFile, StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';
import { threadMessages, topLevelMessages } from './workspace.ts';
import type { WorkspaceActions } from './workspace-actions.ts';

export interface ControlInput {
  readonly workspaces: ReadonlyMap<string, Workspace>;
  readonly actions: WorkspaceActions;
  readonly interactions: Interactions;
  readonly files: FileStore;
  readonly viewMessage: ViewMessage;
  readonly random: Random;
  readonly faults: FaultBoard;
  readonly stream: EventStream;
  readonly deliveries: (workspaceId: string | null) => readonly DeliveryAttempt[];
  readonly journeys: (workspaceId: string, channelId: string) => readonly Journey[];
}

const DEFAULT_PAGE = 200;

const channelParams = z.object({ workspaceId: z.string(), channelId: z.string() });
const messageParams = channelParams.extend({ messageId: z.string() });
const postSchema = z
  .object({
    userId: z.string(),
    text: z.string().max(40_000),
    threadId: z.string().optional(),
    fileIds: z.array(z.string()).max(10).optional(),
  })
  .refine(
    (body) => body.text.trim() !== '' || (body.fileIds?.length ?? 0) > 0,
    'A message needs text or a file.',
  );
const editSchema = z.object({ text: z.string().min(1).max(40_000) });
const reactionSchema = z.object({
  userId: z.string(),
  name: z.string().regex(/^[a-z0-9_+'-]{1,100}$/),
  present: z.boolean(),
});
const pressSchema = z.object({ userId: z.string(), blockId: z.string(), actionId: z.string() });
const installationSchema = z.object({ state: z.enum(['installed', 'app_uninstalled', 'tokens_revoked']) });
const messagesQuery = z.object({
  threadId: z.string().optional(),
  before: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(DEFAULT_PAGE),
});
const workspaceQuery = z.object({ workspaceId: z.string().optional() });

/**
 * What the page and scripts use; the shapes and paths are those of `control-api.ts`. Parsed JSON never holds
 * `undefined`, which zod's types of optional fields cannot say: hence the casts.
 */
export function controlRoutes(input: ControlInput): FastifyPluginAsync {
  const { viewMessage } = input;
  const channelOf = (params: unknown) => findChannel(input.workspaces, parse(channelParams, params));
  const messageOf = (params: unknown) => {
    const { workspace, channel } = channelOf(params);
    return { workspace, channel, message: findMessage(channel, parse(messageParams, params).messageId) };
  };

  /** Who does something with the app: a person who is there, and not the app itself. */
  const requirePerson = (workspace: Workspace, channel: WorkspaceChannel, userId: string) => {
    if (userId === workspace.seed.botUserId || !channel.memberIds.has(userId))
      throw invalid('Only people of the channel can do that here; the agent acts through the Web API.');
  };

  return async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    });

    app.get(
      '/workspaces',
      async (): Promise<WorkspacesResponse> => ({
        workspaces: [...input.workspaces.values()].map(viewWorkspace),
      }),
    );

    app.post('/workspaces/:workspaceId/installation', async (request): Promise<WorkspaceResponse> => {
      const { workspaceId } = parse(z.object({ workspaceId: z.string() }), request.params);
      const workspace = findWorkspace(input.workspaces, workspaceId);
      const { state }: InstallationRequest = parse(installationSchema, request.body);
      input.actions.setInstallation(workspace, state);
      return { workspace: viewWorkspace(workspace) };
    });

    const messages = '/workspaces/:workspaceId/channels/:channelId/messages';
    app.get(messages, async (request): Promise<MessagesResponse> => {
      const { workspace, channel } = channelOf(request.params);
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
      const { workspace, channel } = channelOf(request.params);
      const body = parse(postSchema, request.body) as PostMessageRequest;
      const user = workspace.users.get(body.userId);
      if (!user || user.id === workspace.seed.botUserId) {
        throw invalid('Only people of the workspace can write here; the agent writes through the Web API.');
      }
      if (!channel.memberIds.has(user.id)) throw invalid(`${user.name} is not in ${channel.name}.`);
      const { message } = input.actions.post(workspace, channel, {
        userId: user.id,
        text: typedToSlack(workspace, body.text),
        threadTs: body.threadId ?? null,
        files: (body.fileIds ?? []).map((id) => attachedFile(input.files, workspace, id)),
      });
      const answer: MessageResponse = { message: viewMessage(workspace, channel, message) };
      return reply.status(201).send(answer);
    });

    app.patch(`${messages}/:messageId`, async (request): Promise<MessageResponse> => {
      const { workspace, channel, message } = messageOf(request.params);
      if (message.botId !== null) throw invalid('The agent’s messages cannot be edited here.');
      const edit: EditMessageRequest = parse(editSchema, request.body);
      const text = typedToSlack(workspace, edit.text);
      const after = input.actions.edit(workspace, channel, message, { text, editorId: message.userId });
      return { message: viewMessage(workspace, channel, after) };
    });

    app.delete(`${messages}/:messageId`, async (request, reply) => {
      const { workspace, channel, message } = messageOf(request.params);
      input.actions.remove(workspace, channel, message);
      return reply.status(204).send();
    });

    app.post(`${messages}/:messageId/reactions`, async (request): Promise<MessageResponse> => {
      const { workspace, channel, message } = messageOf(request.params);
      const reaction: ReactionRequest = parse(reactionSchema, request.body);
      requirePerson(workspace, channel, reaction.userId);
      if (message.visibleToUserId !== null) throw invalid('Nobody can react to what only one person sees.');
      const after = input.actions.react(workspace, channel, message, reaction);
      return { message: viewMessage(workspace, channel, after) };
    });

    app.post(`${messages}/:messageId/presses`, async (request): Promise<PressResponse> => {
      const { workspace, channel, message } = messageOf(request.params);
      const { userId, blockId, actionId }: PressRequest = parse(pressSchema, request.body);
      requirePerson(workspace, channel, userId);
      const button = buttonsOf(message).find(
        (each) => each.blockId === blockId && each.actionId === actionId,
      );
      if (button === undefined)
        throw new SimulatorError('not_found', 404, 'This button is not there any more.');
      return { acked: await input.interactions.press(workspace, channel, message, { userId, button }) };
    });

    await app.register(controlFileRoutes(input));

    app.get(
      '/workspaces/:workspaceId/channels/:channelId/journeys',
      async (request): Promise<JourneysResponse> => {
        const { workspace, channel } = channelOf(request.params);
        return { journeys: input.journeys(workspace.seed.id, channel.id) };
      },
    );

    app.get(
      '/deliveries',
      async (request): Promise<DeliveriesResponse> => ({
        deliveries: input.deliveries(parse(workspaceQuery, request.query).workspaceId ?? null),
      }),
    );

    app.get('/faults', async (): Promise<FaultPlan> => input.faults.plan());
    app.put('/faults', async (request): Promise<FaultPlan> => {
      return input.faults.update(parse(faultPlanSchema, request.body) as FaultPlanRequest);
    });

    app.get('/events', (request, reply) => input.stream.open(request, reply));
  };
}

function listMessages(channel: WorkspaceChannel, threadId: string | undefined): readonly StoredMessage[] {
  if (threadId === undefined) return topLevelMessages(channel);
  if (!channel.messages.has(threadId)) findMessage(channel, threadId);
  return threadMessages(channel, threadId);
}

/** @throws SimulatorError `invalid_request` */
function attachedFile(files: FileStore, workspace: Workspace, id: string): StoredFile {
  const file = files.get(id);
  if (file?.workspace.seed.id !== workspace.seed.id) throw invalid(`There is no file ${id}.`);
  const { name, mediaType, content } = file;
  return { id, name, mediaType, sizeBytes: content.length };
}

function invalid(message: string): SimulatorError {
  return new SimulatorError('invalid_request', 400, message);
}
