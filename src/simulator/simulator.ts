import type { FastifyPluginAsync } from 'fastify';
import type { Clock, Random, Sleep } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type { ControlEvent, ControlMessage, Journey } from './control-api.ts';
import type { FaultBoard } from './fault-board.ts';
import type { FileStore } from './file-store.ts';
import type { OAuthApp } from './oauth.ts';
import type { SocketMode } from './socket-mode.ts';
import type { InstallationState, StoredFile, Workspace, WorkspaceSeed } from './workspace.ts';

/**
 * A Slack on this machine: workspaces with people in them, whose messages reach the app as signed Events API requests,
 * and the Web API that the app answers through. It knows the app only from outside, as Slack does.
 */
export interface Simulator {
  /** `api/…` (Web API), `control/…` (see `control-api.ts`) and the page, relative to the prefix it is registered under. */
  readonly plugin: FastifyPluginAsync;
  readonly workspaces: ReadonlyMap<string, Workspace>;
  /** Adds a workspace, or makes a known one what the seed says; messages and opened conversations stay. */
  addWorkspace(seed: WorkspaceSeed): void;
  /**
   * Writes a message as a person would. Resolves at once with the message; its events are then on their way.
   * @throws SimulatorError `not_found`
   */
  say(message: SayInput): Promise<SentMessage>;
  /** @throws SimulatorError `not_found` */
  edit(place: MessagePlace, text: string): Promise<void>;
  /** @throws SimulatorError `not_found` */
  deleteMessage(place: MessagePlace): Promise<void>;
  /** Puts an emoji on a message or takes it off; nothing happens when it is so already. @throws SimulatorError `not_found` */
  react(place: MessagePlace, reaction: ReactionInput): Promise<void>;
  /** Presses a button of the app; resolves with whether it was acked. @throws SimulatorError `not_found` */
  press(
    place: MessagePlace,
    press: { readonly userId: string /** What stands on it. */; readonly choice: string },
  ): Promise<boolean>;
  /** Gives a slash command; resolves with whether it was acked. @throws SimulatorError `not_found` */
  command(command: CommandInput): Promise<boolean>;
  /** Opens the direct conversation with the agent; resolves with whether it was acked. @throws SimulatorError `not_found` */
  openMessages(opening: Omit<MessagePlace, 'ts'> & { readonly userId: string }): Promise<boolean>;
  /** The same in an app with the older `assistant_view`: begins a thread; its root. @throws SimulatorError `not_found` */
  openAssistant(opening: {
    readonly workspaceId: string;
    readonly channelId: string;
    readonly userId: string;
  }): Promise<MessagePlace>;
  /** Oldest first; with `threadTs` the thread, its root first. @throws SimulatorError `not_found` */
  messages(workspaceId: string, channelId: string, threadTs?: string): readonly ControlMessage[];
  /**
   * The first message, already there or still to come or to be edited, for which the predicate holds.
   * @throws SimulatorError `timeout`, `stopped`
   */
  waitFor(
    predicate: (message: ControlMessage) => boolean,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<ControlMessage>;
  /** Everything that happens, as on the control API's stream. Returns what ends it. */
  subscribe(listener: (event: ControlEvent) => void): () => void;
  /** `app_uninstalled` and `tokens_revoked` are sent as events and make the token useless. */
  setInstallation(workspaceId: string, state: InstallationState): void;
  /** Sends any event; resolves with whether it was acked. @throws SimulatorError `not_found` */
  fire(workspaceId: string, event: Readonly<Record<string, unknown>>, channelId?: string): Promise<boolean>;
  readonly faults: FaultBoard;
  /** What was uploaded, and what can be fetched. */
  readonly files: FileStore;
  /** The sockets of apps that use Socket Mode. */
  readonly sockets: SocketMode;
  /** Ends deliveries, streams and held-back calls, and writes the state file. */
  stop(): Promise<void>;
}

export interface SayInput {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly userId: string;
  /** In Slack's form: a mention is `<@U…>`, and `&`, `<`, `>` are escaped. */
  readonly text: string;
  readonly threadTs?: string;
  /** Sends a reply to the channel too. */
  readonly broadcast?: boolean;
  /** With `content` they can be fetched. */
  readonly files?: readonly (Omit<StoredFile, 'id'> & { readonly content?: Uint8Array })[];
  /** Instead of the `rich_text` block that Slack's client makes of the text; `null`: none. */
  readonly blocks?: readonly unknown[] | null;
}

export interface SentMessage extends MessagePlace {
  readonly threadTs: string | null;
  /** Whether the app acked all events of this message, possibly after retries. Never rejects. */
  readonly acked: Promise<boolean>;
}

export interface ReactionInput {
  readonly userId: string;
  /** Slack's name, without colons: `octagonal_sign`. */
  readonly name: string;
  readonly present: boolean;
}

export interface CommandInput {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly userId: string;
  /** `/ada` */
  readonly command: string;
  /** In Slack's form, see `SayInput`. */
  readonly text: string;
}

export interface MessagePlace {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly ts: string;
}

/** Where the app tells how messages go through it. */
export interface JourneySource {
  list(workspaceId: string, channelId: string): readonly Journey[];
  subscribe(listener: (journey: Journey) => void): () => void;
}

export interface SimulatorInput {
  /** Where the app takes events: `http://127.0.0.1:8001/slack/events`. */
  readonly eventsUrl: string | (() => string);
  readonly signingSecret: string;
  /** The app uses Socket Mode with this app-level token: events go over its sockets and to no address. */
  readonly appToken?: string;
  /** The app can be installed in a browser; absent: tokens are those of the workspaces' seeds only. */
  readonly oauth?: OAuthApp;
  /** Two companies when absent. */
  readonly workspaces?: readonly WorkspaceSeed[];
  readonly clock: Clock;
  readonly random: Random;
  readonly fetch: typeof globalThis.fetch;
  readonly log: Log;
  readonly sleep?: Sleep;
  /** JSON file that keeps workspaces and messages over a restart. */
  readonly stateFile?: string;
  readonly journeys?: JourneySource;
  /** Folder with the built page. */
  readonly pageDir?: string;
  /** Host names besides loopback that the page may be opened under. */
  readonly allowedHosts?: readonly string[];
  /** Refuses arguments of the Web API that Slack does not know and ignores, instead of only logging them. For tests. */
  readonly refusesUnknownArguments?: boolean;
  /** How long the app has for its ack; Slack gives 3,000 ms. */
  readonly ackTimeoutMs?: number;
  /** Waits before the retries of an event; Slack: nearly none, 1 min, 5 min. */
  readonly retryDelaysMs?: readonly number[];
}
