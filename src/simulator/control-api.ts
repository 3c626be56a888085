/**
 * The control API of the simulator: what its page, scripts and tests send and receive. Types only, and nothing of
 * Node, so that the portal can import them.
 *
 * Paths are relative to the simulator's prefix (`/simulator` under `konstruct dev`); bodies are JSON.
 *
 * | request | body | answer |
 * |---|---|---|
 * | `GET control/workspaces` | | `WorkspacesResponse` |
 * | `GET control/workspaces/{w}/channels/{c}/messages` `?threadId=` `&limit=` `&before=` | | `MessagesResponse` |
 * | `POST control/workspaces/{w}/channels/{c}/messages` | `PostMessageRequest` | `MessageResponse`, 201 |
 * | `PATCH control/workspaces/{w}/channels/{c}/messages/{id}` | `EditMessageRequest` | `MessageResponse` |
 * | `DELETE control/workspaces/{w}/channels/{c}/messages/{id}` | | 204 |
 * | `POST control/workspaces/{w}/channels/{c}/messages/{id}/reactions` | `ReactionRequest` | `MessageResponse` |
 * | `POST control/workspaces/{w}/channels/{c}/messages/{id}/presses` | `PressRequest` | `PressResponse` |
 * | `POST control/workspaces/{w}/files` `?name=` | what it holds, with its `content-type` | `FileResponse`, 201 |
 * | `GET control/workspaces/{w}/files/{id}` | | what it holds |
 * | `GET control/workspaces/{w}/channels/{c}/journeys` | | `JourneysResponse` |
 * | `POST control/workspaces/{w}/installation` | `InstallationRequest` | `WorkspaceResponse` |
 * | `GET control/deliveries` `?workspaceId=` | | `DeliveriesResponse` |
 * | `GET control/faults` | | `FaultPlan` |
 * | `PUT control/faults` | `FaultPlanRequest` | `FaultPlan` |
 * | `GET control/events` | | server-sent events: `id:` and `data:` with one `ControlEvent` each; resumes at `Last-Event-ID` |
 *
 * Whatever fails answers with a 4xx or 5xx status and a `ControlErrorResponse`.
 */

export interface WorkspacesResponse {
  readonly workspaces: readonly ControlWorkspace[];
}

export interface WorkspaceResponse {
  readonly workspace: ControlWorkspace;
}

/** Without `threadId`: the channel's top-level messages; with it: the thread, its root first. Oldest first. */
export interface MessagesResponse {
  readonly messages: readonly ControlMessage[];
  /** There are older ones: ask again with `before` = the id of the first. */
  readonly hasMore: boolean;
}

export interface MessageResponse {
  readonly message: ControlMessage;
}

export interface PostMessageRequest {
  /** Who writes; a user of the workspace who is in the channel. */
  readonly userId: string;
  /**
   * As a person types it: `@Ada` and `#general` become mentions, `&`, `<` and `>` are escaped. Slack's own entities
   * (`<@U…>`, `<#C…>`) are kept.
   */
  readonly text: string;
  /** Reply in this thread (the id of its root). */
  readonly threadId?: string;
  /** What was uploaded before and now goes along, by id. */
  readonly fileIds?: readonly string[];
}

export interface EditMessageRequest {
  /** As a person types it, see `PostMessageRequest`. */
  readonly text: string;
}

export interface ReactionRequest {
  /** Who reacts; a person who is in the channel. */
  readonly userId: string;
  /** Slack's name, without colons: `octagonal_sign`. */
  readonly name: string;
  /** Put on, or taken off. */
  readonly present: boolean;
}

export interface PressRequest {
  /** Who presses; a person who is in the channel. */
  readonly userId: string;
  /** Which button: of `ControlMessage.buttons`. */
  readonly blockId: string;
  readonly actionId: string;
}

export interface PressResponse {
  /** Whether the app took it in time. What it makes of it comes as events. */
  readonly acked: boolean;
}

export interface FileResponse {
  readonly file: ControlFile;
}

/** `tokens_revoked` and `app_uninstalled` are sent as events and make the token useless; `installed` takes it back. */
export interface InstallationRequest {
  readonly state: 'installed' | 'app_uninstalled' | 'tokens_revoked';
}

export interface JourneysResponse {
  readonly journeys: readonly Journey[];
}

/** The latest attempts, oldest first. */
export interface DeliveriesResponse {
  readonly deliveries: readonly DeliveryAttempt[];
}

export interface ControlErrorResponse {
  /** For programs: `channel_not_found`. */
  readonly error: string;
  /** For people. */
  readonly message: string;
}

/** A company's Slack workspace. */
export interface ControlWorkspace {
  readonly id: string;
  readonly name: string;
  readonly enterpriseId: string | null;
  readonly installation: InstallationRequest['state'];
  /** The AI coworker that is installed here. */
  readonly agent: ControlUser;
  /** The people, and other apps' bots where there are any; without the agent. */
  readonly users: readonly ControlUser[];
  readonly channels: readonly ControlChannel[];
}

export interface ControlUser {
  readonly id: string;
  /** As in a mention: `mara`. */
  readonly handle: string;
  /** As shown: `Mara Lindqvist`. */
  readonly name: string;
  /** What they do: `Head of Support`. */
  readonly title: string;
  readonly isAgent: boolean;
}

export interface ControlChannel {
  readonly id: string;
  /** Without `#`; for a direct conversation the handle of the person. */
  readonly name: string;
  readonly kind: 'public' | 'private' | 'im' | 'mpim';
  readonly topic: string;
  readonly memberIds: readonly string[];
  /** Whether the agent sees what is written here. */
  readonly agentIsMember: boolean;
  /** Messages outside threads and in them. */
  readonly messageCount: number;
  /** Id of the newest message; the page compares it with what was read. `null`: none yet. */
  readonly latestMessageId: string | null;
}

export interface ControlMessage {
  readonly workspaceId: string;
  readonly channelId: string;
  /** Slack's `ts`: unique in the workspace, sorts by time as a string. */
  readonly messageId: string;
  /** Id of the thread's root; the root itself has its own id here once it has replies; `null`: not in a thread. */
  readonly threadId: string | null;
  readonly userId: string;
  /** The name shown, also when the sender customised it. */
  readonly userName: string;
  readonly isAgent: boolean;
  /** In Slack's form, with entities: `<@U0ADA> hi &amp; welcome`. */
  readonly text: string;
  /** Readable and editable: `@ada hi & welcome`. */
  readonly plainText: string;
  /** The markdown that was sent as `markdown_text`; `null`: render `text`. */
  readonly markdown: string | null;
  readonly buttons: readonly ControlButton[];
  /** What stands on its buttons. */
  readonly choices?: readonly string[];
  /** In small letters below it, in Slack's form. */
  readonly notes: readonly string[];
  readonly sentAtMs: number;
  readonly editedAtMs: number | null;
  readonly replyCount: number;
  readonly replyUserIds: readonly string[];
  readonly latestReplyId: string | null;
  readonly reactions: readonly ControlReaction[];
  readonly files: readonly ControlFile[];
  /** Only this person sees it (`chat.postEphemeral`); `null`: everybody. */
  readonly visibleToUserId: string | null;
  /** What the sender hid in it for itself: event type and payload. */
  readonly metadata: { readonly eventType: string; readonly payload: unknown } | null;
}

export interface ControlButton {
  /** Together they say which it is. */
  readonly blockId: string;
  readonly actionId: string;
  readonly text: string;
  readonly style: 'primary' | 'danger' | null;
}

export interface ControlReaction {
  /** Without colons: `eyes`. */
  readonly name: string;
  readonly userIds: readonly string[];
}

export interface ControlFile {
  /** `F…` */
  readonly id: string;
  readonly name: string;
  /** Media type: `text/csv`. */
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** Whether it can be fetched; what files hold is lost with the process. */
  readonly isKept: boolean;
}

/** One HTTP request with an event to the app. */
export interface DeliveryAttempt {
  readonly workspaceId: string;
  readonly channelId: string | null;
  readonly messageId: string | null;
  readonly eventId: string;
  /** `message`, `app_mention`, `app_uninstalled`, …; a subtype after a dot: `message.message_changed`. */
  readonly eventType: string;
  /** 0 for the first attempt, then Slack's `X-Slack-Retry-Num`. */
  readonly retryNumber: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** HTTP status; `null` when there was no answer. */
  readonly status: number | null;
  /** `ok`, or Slack's `X-Slack-Retry-Reason`: `http_timeout`, `http_error`, `connection_failed`, … */
  readonly outcome: string;
  /** When it is tried again; `null`: acked or given up. */
  readonly nextAttemptAtMs: number | null;
}

/** One call of the Web API by the app. */
export interface ApiCall {
  /** `null` when the token is nobody's. */
  readonly workspaceId: string | null;
  readonly method: string;
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** HTTP status; `null` when the connection was cut. */
  readonly status: number | null;
  /** Slack's error code; `null`: `ok`. */
  readonly error: string | null;
  /** Kinds of the faults that were applied. */
  readonly faults: readonly FaultKind[];
}

export type ControlEvent =
  /** First on every stream. Not `resumed`: events may have been missed, load everything again. */
  | { readonly type: 'stream.opened'; readonly serverTimeMs: number; readonly resumed: boolean }
  | { readonly type: 'message.posted'; readonly message: ControlMessage }
  /** Text, reactions or number of replies changed. */
  | { readonly type: 'message.changed'; readonly message: ControlMessage }
  | {
      readonly type: 'message.deleted';
      readonly workspaceId: string;
      readonly channelId: string;
      readonly messageId: string;
      readonly threadId: string | null;
    }
  | { readonly type: 'workspace.changed'; readonly workspace: ControlWorkspace }
  | { readonly type: 'delivery.attempted'; readonly delivery: DeliveryAttempt }
  | { readonly type: 'api.called'; readonly call: ApiCall }
  | { readonly type: 'faults.changed'; readonly plan: FaultPlan }
  | { readonly type: 'journey.changed'; readonly journey: Journey };

/** What goes wrong in the simulated Slack, and how strict it is. */
export interface FaultPlan {
  /**
   * A mention in a channel is sent as `message` and as `app_mention`: which goes first, and how long after it the
   * other. With a gap of 0 both are under way at once and may overtake each other.
   */
  readonly pairOrder: 'message_first' | 'mention_first' | 'random';
  readonly pairGapMs: number;
  /** Enforce Slack's real limits: about one message per second and channel, and the tiers of the other methods. */
  readonly realRateLimits: boolean;
  readonly faults: readonly Fault[];
}

/** What is left out stays as it is; `faults` replaces the whole list. */
export interface FaultPlanRequest {
  readonly pairOrder?: FaultPlan['pairOrder'];
  readonly pairGapMs?: number;
  readonly realRateLimits?: boolean;
  readonly faults?: readonly FaultRequest[];
}

/** A fault as it is asked for: the limits may be left out. */
export type FaultRequest = FaultAction & Partial<FaultLimits>;

/** A fault that is switched on. */
export type Fault = FaultAction & FaultLimits & { readonly id: string };

export interface FaultLimits {
  /** Only in this workspace; `null`: in all. */
  readonly workspaceId: string | null;
  /** How many more times it strikes; `null`: until it is removed. */
  readonly remaining: number | null;
  /** When it ends by itself, in ms since 1970; `null`: never. */
  readonly untilMs: number | null;
}

export type FaultKind = FaultAction['kind'];

/** `event`: only events of this type (`message`, `app_mention`, …). `method`: only this Web API method. */
export type FaultAction =
  /** Every delivery is sent this many times more at the same moment, with the same event id. */
  | { readonly kind: 'event_duplicate'; readonly copies: number; readonly event?: string }
  /** Never sent. */
  | { readonly kind: 'event_drop'; readonly event?: string }
  /** Sent later. */
  | { readonly kind: 'event_delay'; readonly delayMs: number; readonly event?: string }
  /** The app's ack gets lost on the way: the delivery counts as failed and is retried. */
  | { readonly kind: 'event_ack_lost'; readonly event?: string }
  /** Answers later; the work is done at once. */
  | { readonly kind: 'api_delay'; readonly delayMs: number; readonly method?: string }
  /** Answers 429 with `Retry-After`; nothing is done. */
  | { readonly kind: 'api_rate_limited'; readonly retryAfterSeconds: number; readonly method?: string }
  /** Answers with this 5xx status; nothing is done. */
  | { readonly kind: 'api_http_error'; readonly status: number; readonly method?: string }
  /** Answers `{"ok":false,"error":…}`; nothing is done. */
  | { readonly kind: 'api_error'; readonly error: string; readonly method?: string }
  /** The connection is cut and nothing is done. */
  | { readonly kind: 'api_cut_before'; readonly method?: string }
  /** The work is done and the connection cut: for the caller the outcome is unknown. */
  | { readonly kind: 'api_cut_after'; readonly method?: string }
  /** Never answers; the work is done or not. */
  | { readonly kind: 'api_hang'; readonly workDone: boolean; readonly method?: string }
  /** Slack is down: API calls are cut, and events wait until it is over. `remaining` does not count here. */
  | { readonly kind: 'outage' };

/** The way of one message through the pipeline, as the app tells it. */
export interface Journey {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly messageId: string;
  readonly threadId: string | null;
  /** Epoch ms, fractional. */
  readonly startedAtMs: number;
  readonly stages: readonly JourneyStage[];
  readonly outcome: 'running' | 'answered' | 'ignored' | 'failed';
}

export interface JourneyStage {
  readonly stage:
    | 'received'
    | 'verified'
    | 'resolved'
    | 'admitted'
    | 'claimed'
    | 'placeholder'
    | 'model'
    | 'committed'
    | 'delivered'
    | 'failed';
  /** Epoch ms, fractional. */
  readonly atMs: number;
  /** `null`: a point in time, or still going on. */
  readonly durationMs: number | null;
  readonly detail?: string;
}
