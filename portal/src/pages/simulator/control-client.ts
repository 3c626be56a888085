import type {
  ControlErrorResponse,
  DeliveriesResponse,
  FaultPlan,
  FaultPlanRequest,
  FileResponse,
  InstallationRequest,
  JourneysResponse,
  MessageResponse,
  MessagesResponse,
  PostMessageRequest,
  PressRequest,
  PressResponse,
  ReactionRequest,
  WorkspaceResponse,
  WorkspacesResponse,
} from '../../../../src/simulator/control-api.ts';

const DEADLINE_MS = 10_000;
const UPLOAD_DEADLINE_MS = 60_000;

/** A call that the simulator refused or did not answer; the message is written for people. */
export class ControlError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ControlError';
    this.code = code;
  }
}

/** Calls of the control API, see `src/simulator/control-api.ts`. */
export interface ControlClient {
  workspaces(signal: AbortSignal): Promise<WorkspacesResponse>;
  messages(channel: ChannelAddress, page: MessagePage, signal: AbortSignal): Promise<MessagesResponse>;
  journeys(channel: ChannelAddress, signal: AbortSignal): Promise<JourneysResponse>;
  deliveries(signal: AbortSignal): Promise<DeliveriesResponse>;
  faults(signal: AbortSignal): Promise<FaultPlan>;
  post(channel: ChannelAddress, request: PostMessageRequest): Promise<MessageResponse>;
  edit(channel: ChannelAddress, messageId: string, text: string): Promise<MessageResponse>;
  remove(channel: ChannelAddress, messageId: string): Promise<void>;
  react(channel: ChannelAddress, messageId: string, reaction: ReactionRequest): Promise<MessageResponse>;
  press(channel: ChannelAddress, messageId: string, press: PressRequest): Promise<PressResponse>;
  /** Leaves a file with the simulator; a message then names it. */
  upload(workspaceId: string, file: File, signal: AbortSignal): Promise<FileResponse>;
  /** Where what a file holds is to be had. */
  fileAddress(workspaceId: string, fileId: string): string;
  setFaults(plan: FaultPlanRequest): Promise<FaultPlan>;
  setInstallation(workspaceId: string, state: InstallationRequest['state']): Promise<WorkspaceResponse>;
}

export interface ChannelAddress {
  readonly workspaceId: string;
  readonly channelId: string;
}

export interface MessagePage {
  readonly threadId?: string;
  readonly before?: string;
  readonly limit?: number;
}

/** @param base Where the control API is, with a slash at its end: `/simulator/control/`. */
export function createControlClient(base: string): ControlClient {
  const call = (method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> =>
    request(base + path, withSignal({ method, ...jsonBody(body) }, DEADLINE_MS, signal));
  // The types are the contract between the simulator and this page; both come from one build.
  const json = async <T>(answer: Promise<Response>): Promise<T> => (await (await answer).json()) as T;
  const channelPath = ({ workspaceId, channelId }: ChannelAddress): string =>
    `workspaces/${encodeURIComponent(workspaceId)}/channels/${encodeURIComponent(channelId)}`;
  const filesPath = (workspaceId: string): string => `workspaces/${encodeURIComponent(workspaceId)}/files`;
  const messagePath = (channel: ChannelAddress, messageId: string): string =>
    `${channelPath(channel)}/messages/${encodeURIComponent(messageId)}`;
  return {
    workspaces: (signal) => json(call('GET', 'workspaces', undefined, signal)),
    messages(channel, page, signal) {
      const query = new URLSearchParams(
        Object.entries(page).map(([name, value]): [string, string] => [name, String(value)]),
      );
      return json(call('GET', `${channelPath(channel)}/messages?${query}`, undefined, signal));
    },
    journeys: (channel, signal) => json(call('GET', `${channelPath(channel)}/journeys`, undefined, signal)),
    deliveries: (signal) => json(call('GET', 'deliveries', undefined, signal)),
    faults: (signal) => json(call('GET', 'faults', undefined, signal)),
    post: (channel, body) => json(call('POST', `${channelPath(channel)}/messages`, body)),
    edit: (channel, messageId, text) => json(call('PATCH', messagePath(channel, messageId), { text })),
    async remove(channel, messageId) {
      await call('DELETE', messagePath(channel, messageId));
    },
    react: (channel, messageId, reaction) =>
      json(call('POST', `${messagePath(channel, messageId)}/reactions`, reaction)),
    press: (channel, messageId, press) =>
      json(call('POST', `${messagePath(channel, messageId)}/presses`, press)),
    upload(workspaceId, file, signal) {
      const address = `${base}${filesPath(workspaceId)}?${new URLSearchParams({ name: file.name })}`;
      const headers = { 'content-type': file.type || 'application/octet-stream' };
      const init = { method: 'POST', body: file, headers };
      return json(request(address, withSignal(init, UPLOAD_DEADLINE_MS, signal)));
    },
    fileAddress: (workspaceId, fileId) => `${base}${filesPath(workspaceId)}/${encodeURIComponent(fileId)}`,
    setFaults: (plan) => json(call('PUT', 'faults', plan)),
    setInstallation: (workspaceId, state) =>
      json(call('POST', `workspaces/${encodeURIComponent(workspaceId)}/installation`, { state })),
  };
}

function jsonBody(body: unknown): RequestInit {
  if (body === undefined) return {};
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

function withSignal(init: RequestInit, deadlineMs: number, signal?: AbortSignal): RequestInit {
  const deadline = AbortSignal.timeout(deadlineMs);
  return { ...init, signal: signal ? AbortSignal.any([signal, deadline]) : deadline };
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (cause) {
    throw new ControlError('unreachable', 'The simulator does not answer.', { cause });
  }
  if (response.ok) return response;
  const problem = await readProblem(response);
  throw new ControlError(problem.error, problem.message);
}

async function readProblem(response: Response): Promise<ControlErrorResponse> {
  const fallback = { error: 'unexpected', message: `The simulator answered with status ${response.status}.` };
  try {
    const body: Partial<ControlErrorResponse> = await response.json();
    return { error: body.error ?? fallback.error, message: body.message ?? fallback.message };
  } catch {
    return fallback;
  }
}
