import type { Clock, Random } from '../core/clock.ts';
import { slackId } from './slack-ids.ts';
import type { Workspace, WorkspaceChannel } from './workspace.ts';
import type { WorkspaceActions } from './workspace-actions.ts';

/** The addresses by which an app answers whoever pressed a button or gave a command. */
export interface ResponseUrls {
  create(workspace: Workspace, channel: WorkspaceChannel, userId: string): string;
  use(id: string, body: unknown): { readonly status: number; readonly text: string };
  /** Where the simulator is reached. */
  base(): string;
  /** Where the first server of the simulator is reached. */
  listeningAt(url: string): void;
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
    { workspace: Workspace; channel: WorkspaceChannel; userId: string; left: number; untilMs: number }
  >();
  return {
    create(workspace, channel, userId) {
      const id = slackId('', random, 24);
      open.set(id, { workspace, channel, userId, left: USES, untilMs: clock() + LIFE_MS });
      return `${base}/response/${id}`;
    },
    use(id, body) {
      const entry = open.get(id);
      if (entry === undefined || clock() > entry.untilMs) return { status: 404, text: 'expired_url' };
      if (entry.left === 0) return { status: 404, text: 'used_url' };
      const { response_type: type = 'ephemeral', text } = (body ?? {}) as Record<string, unknown>;
      if (typeof text !== 'string' || text === '') return { status: 400, text: 'no_text' };
      if (type !== 'ephemeral' && type !== 'in_channel') return { status: 400, text: 'invalid_payload' };
      entry.left -= 1;
      const { workspace, channel, userId } = entry;
      // It works where the app is no member, too.
      actions.post(workspace, channel, {
        userId: workspace.seed.botUserId,
        text,
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
