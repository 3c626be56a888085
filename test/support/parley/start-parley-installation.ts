import { randomUUID } from 'node:crypto';
import type { App } from '../../../src/app.ts';
import type { AppOptions } from '../../../src/app-options.ts';
import { channelTable } from '../../../src/channel-table.ts';
import type { ChannelCapabilities } from '../../../src/core/channel.ts';
import type { Attachment, ChannelEvent, MessageEvent } from '../../../src/core/channel-event.ts';
import { connectionOwner } from '../../../src/core/cipher.ts';
import { idle, until } from '../conversation.ts';
import type { RecordedRequest } from '../model-server.ts';
import { type Installation, type InstallationOptions, startInstallation } from '../start-installation.ts';
import { createParley, PARLEY_AGENT, PARLEY_SECRET, type Parley, type ParleyMessage } from './parley.ts';

export interface ParleyInstallation {
  readonly installation: Installation;
  readonly parley: Parley;
  readonly connectionId: string;
  /** Where the app listens. */
  readonly url: string;
  /** What the model was asked since the last `begin`. */
  readonly requests: readonly RecordedRequest[];
  /** A new test begins on an installation that others used: scripted answers and what was asked are forgotten. */
  begin(): void;
  startApp(options?: Partial<AppOptions>): Promise<App>;
  /** What the platform sends; resolves when it is acked. */
  send(...events: readonly ChannelEvent[]): Promise<void>;
  /** A mention in a channel, or what is told otherwise. */
  say(text: string, overrides?: Partial<MessageEvent>): Promise<MessageEvent>;
  /** Somebody presses a button of a message. */
  press(on: ParleyMessage, choice: string, actionId: string, personId?: string): Promise<void>;
  /** What stands in the thread of a message, oldest first, without placeholders. */
  answers(said: Pick<MessageEvent, 'messageId'>): readonly ParleyMessage[];
  /** Waits until all is answered, and returns what stands in the thread. */
  answersTo(said: Pick<MessageEvent, 'messageId'>): Promise<readonly ParleyMessage[]>;
  stop(): Promise<void>;
}

const account = { externalIds: ['PARLEY1'], appId: null, agentUserId: PARLEY_AGENT };
let lastMessage = 0;

/** An installation on a platform that can do as much as a test says, see `createParley`. */
export async function startParleyInstallation(
  options: InstallationOptions & { readonly capabilities?: Partial<ChannelCapabilities> } = {},
): Promise<ParleyInstallation> {
  const { capabilities, app: appOptions, ...rest } = options;
  const installation = await startInstallation({ ...rest, app: null });
  const parley = createParley(capabilities);
  const [tenant] = installation.tenants;
  if (!tenant) throw new Error('The default seeds have no workspace.');
  const { tenantId, agentId } = tenant;
  const connectionId = randomUUID();
  const credentials = installation.cipher.encrypt(
    JSON.stringify({ token: 'x' }),
    connectionOwner(tenantId, connectionId),
  );
  await installation.query(
    `insert into konstruct.connections (tenant_id, id, agent_id, channel, external_id, agent_user_id, credentials, settings)
     values ($1, $2, $3, 'parley', 'PARLEY1', $4, $5, '{"ratePerMinute": 10000}')`,
    [tenantId, connectionId, agentId, PARLEY_AGENT, credentials],
  );
  let url = '';
  const startApp = async (overrides: Partial<AppOptions> = {}): Promise<App> => {
    const app = await installation.startApp({
      channels: [...channelTable, parley.definition],
      platforms: { parley: { signingSecret: PARLEY_SECRET } },
      ...appOptions,
      ...overrides,
    });
    if ((overrides.role ?? appOptions?.role) !== 'worker') url = app.url;
    return app;
  };
  if (appOptions !== null) await startApp();

  const send = async (...events: readonly ChannelEvent[]): Promise<void> => {
    const answer = await fetch(`${url}/parley`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-parley': PARLEY_SECRET },
      body: JSON.stringify(events),
    });
    if (answer.status !== 200) throw new Error(`Parley got ${answer.status}.`);
  };
  let from = 0;
  const answers = ({ messageId }: Pick<MessageEvent, 'messageId'>) =>
    [...parley.messages.values()].filter(
      ({ target, markdown }) => target.threadId === messageId && !markdown.startsWith('Thinking…'),
    );

  return {
    installation,
    parley,
    connectionId,
    get url() {
      return url;
    },
    get requests() {
      return installation.model.requests.slice(from);
    },
    begin() {
      from = installation.model.requests.length;
      installation.model.respond(() => 'Hello.');
    },
    startApp,
    send,
    async say(text, overrides = {}) {
      lastMessage += 1;
      const event: MessageEvent = {
        type: 'message',
        account,
        eventId: `e${randomUUID()}`,
        channelId: 'PGENERAL',
        messageId: `p${lastMessage}`,
        threadId: null,
        scope: 'channel',
        sender: { externalId: 'MARA', name: 'mara' },
        text,
        mentions: [],
        addressee: null,
        mentionsAgent: true,
        attachments: [],
        sentAtMs: Date.now(),
        channelMetadata: {},
        ...overrides,
      };
      await send(event);
      return event;
    },
    press(on, choice, actionId, personId = 'MARA') {
      return send({
        type: 'action',
        account,
        eventId: null,
        channelId: on.target.channelId,
        messageId: on.messageId,
        threadId: on.target.threadId,
        scope: 'channel',
        actionId,
        sender: { externalId: personId, name: personId.toLowerCase() },
        choice,
        pressedAtMs: Date.now(),
        reply: {},
      });
    },
    answers,
    async answersTo(said) {
      await until('it is answered', () => answers(said).length > 0);
      await idle(installation);
      return answers(said);
    },
    stop: () => installation.stop(),
  };
}

export function attachment(externalId: string, overrides: Partial<Attachment> = {}): Attachment {
  return {
    externalId,
    name: externalId,
    mediaType: 'application/octet-stream',
    sizeBytes: null,
    ...overrides,
  };
}

export type ParleyOptions = NonNullable<Parameters<typeof startParleyInstallation>[0]>;

/** One installation for tests that want the same and follow each other: starting one takes a second. */
export function shareParleyInstallations() {
  let current: { readonly name: string; readonly installation: ParleyInstallation } | null = null;
  const stop = async (): Promise<void> => {
    await current?.installation.stop();
    current = null;
  };
  return {
    async get(name: string, options: ParleyOptions = {}): Promise<ParleyInstallation> {
      if (current?.name !== name) {
        await stop(); // two at a time take too many of the database's connections
        current = { name, installation: await startParleyInstallation(options) };
      }
      current.installation.begin();
      return current.installation;
    },
    stop,
  };
}
