import type { Clock, Random } from '../core/clock.ts';
import { slackId } from './slack-ids.ts';
import type { Workspace, WorkspaceChannel } from './workspace.ts';
import type { WorkspaceActions } from './workspace-actions.ts';

/** The addresses by which an app answers whoever pressed a button or gave a command. */
export interface ResponseUrls {
  create(workspace: Workspace, channel: WorkspaceChannel, origin: ResponseOrigin): string;
  use(id: string, body: unknown): { readonly status: number; readonly text: string };
  /** Where the simulator is reached. */
  base(): string;
  /** Where the first server of the simulator is reached. */
  listeningAt(url: string): void;
}

export interface ResponseOrigin {
  readonly userId: string;
  /** The message whose button was pressed; `null`: a command. */
  readonly messageTs: string | null;
}

const USES = 5;
const LIFE_MS = 30 * 60_000;

/** Source: https://docs.slack.dev/interactivity/handling-user-interaction#message_responses */
export function createResponseUrls(input: {
  readonly clock: Clock;
  readonly random: Random;
  readonly actions: WorkspaceActions;
}): ResponseUrls {
  const { clock, random, actions } = input;
  let base = '';
  const open = new Map<
    string,
    ResponseOrigin & { workspace: Workspace; channel: WorkspaceChannel; left: number; untilMs: number }
  >();
  return {
    create(workspace, channel, origin) {
      const id = slackId('', random, 24);
      open.set(id, { ...origin, workspace, channel, left: USES, untilMs: clock() + LIFE_MS });
      return `${base}/response/${id}`;
    },
    use(id, body) {
      const entry = open.get(id);
      if (entry === undefined || clock() > entry.untilMs) return { status: 404, text: 'expired_url' };
      if (entry.left === 0) return { status: 404, text: 'used_url' };
      const said = (body ?? {}) as Record<string, unknown>;
      const { response_type: type = 'ephemeral', text, thread_ts: threadTs } = said;
      const { workspace, channel, userId, messageTs } = entry;
      const origin = messageTs === null ? undefined : channel.messages.get(messageTs);
      if (said.delete_original === true && origin !== undefined) {
        entry.left -= 1;
        actions.remove(workspace, channel, origin);
        return { status: 200, text: 'ok' };
      }
      if (typeof text !== 'string' || text === '') return { status: 400, text: 'no_text' };
      if (type !== 'ephemeral' && type !== 'in_channel') return { status: 400, text: 'invalid_payload' };
      entry.left -= 1;
      if (said.replace_original === true && origin !== undefined) {
        actions.edit(workspace, channel, origin, { text, editorId: workspace.seed.botUserId });
        return { status: 200, text: 'ok' };
      }
      // It works where the app is no member, too.
      actions.post(workspace, channel, {
        userId: workspace.seed.botUserId,
        text,
        threadTs: typeof threadTs === 'string' ? threadTs : null,
        visibleToUserId: type === 'ephemeral' ? userId : null,
      });
      return { status: 200, text: 'ok' };
    },
    base: () => base,
    listeningAt(url) {
      base ||= url;
    },
  };
}
