import type { WireObject } from './wire-message.ts';
import { wireMessage } from './wire-message.ts';
import type { StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';
import { workspaceDomain } from './workspace.ts';

export interface Button {
  readonly blockId: string;
  readonly actionId: string;
  readonly text: string;
  readonly value: string;
  readonly style: 'primary' | 'danger' | null;
}

/** The buttons below a message. */
export function buttonsOf({ blocks }: StoredMessage): readonly Button[] {
  return ((blocks ?? []) as readonly WireObject[]).flatMap((block, index) =>
    block.type === 'actions'
      ? (block.elements as readonly WireObject[]).map((element) => ({
          blockId: String(block.block_id ?? `b${index}`),
          actionId: String(element.action_id),
          text: String((element.text as WireObject | undefined)?.text ?? ''),
          value: String(element.value ?? ''),
          style: element.style === 'primary' || element.style === 'danger' ? element.style : null,
        }))
      : [],
  );
}

/** The small letters below a message, in Slack's form: the texts of its context blocks. */
export function notesOf({ blocks }: StoredMessage): readonly string[] {
  return ((blocks ?? []) as readonly WireObject[]).flatMap((block) =>
    block.type === 'context'
      ? [(block.elements as readonly WireObject[]).map(({ text }) => String(text ?? '')).join(' ')]
      : [],
  );
}

/**
 * What the app gets when somebody presses a button. Of a message that only one person sees it gets the place alone.
 * Source: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
 */
export function pressPayload(
  workspace: Workspace,
  channel: WorkspaceChannel,
  message: StoredMessage,
  press: {
    readonly userId: string;
    readonly button: Button;
    readonly actionTs: string;
    readonly triggerId: string;
    readonly responseUrl: string;
  },
): WireObject {
  const { seed } = workspace;
  const { button } = press;
  const isEphemeral = message.visibleToUserId !== null;
  const thread = message.threadTs === null ? {} : { thread_ts: message.threadTs };
  return {
    type: 'block_actions',
    user: userOf(workspace, press.userId),
    api_app_id: seed.appId,
    token: `verification-${seed.appId}`,
    container: {
      type: 'message',
      message_ts: message.ts,
      channel_id: channel.id,
      is_ephemeral: isEphemeral,
      ...thread,
    },
    trigger_id: press.triggerId,
    team: seed.orgWideInstall ? null : { id: seed.id, domain: workspaceDomain(seed) },
    enterprise: seed.enterpriseId ? { id: seed.enterpriseId, name: seed.name } : null,
    is_enterprise_install: seed.orgWideInstall === true,
    channel: { id: channel.id, name: nameOf(channel) },
    ...(isEphemeral ? {} : { message: wireMessage(workspace, message, { metadata: true }) }),
    state: { values: {} },
    response_url: press.responseUrl,
    actions: [
      {
        action_id: button.actionId,
        block_id: button.blockId,
        text: { type: 'plain_text', text: button.text, emoji: true },
        value: button.value,
        ...(button.style === null ? {} : { style: button.style }),
        type: 'button',
        action_ts: press.actionTs,
      },
    ],
  };
}

/** Source: https://docs.slack.dev/interactivity/implementing-slash-commands#app_command_handling */
export function commandForm(
  workspace: Workspace,
  channel: WorkspaceChannel,
  command: {
    readonly userId: string;
    readonly command: string;
    readonly text: string;
    readonly triggerId: string;
    readonly responseUrl: string;
  },
): Readonly<Record<string, string>> {
  const { seed } = workspace;
  return {
    token: `verification-${seed.appId}`,
    team_id: seed.id,
    team_domain: workspaceDomain(seed),
    ...(seed.enterpriseId ? { enterprise_id: seed.enterpriseId, enterprise_name: seed.name } : {}),
    channel_id: channel.id,
    channel_name: nameOf(channel),
    user_id: command.userId,
    user_name: workspace.users.get(command.userId)?.handle ?? '',
    command: command.command,
    text: command.text,
    api_app_id: seed.appId,
    is_enterprise_install: String(seed.orgWideInstall === true),
    response_url: command.responseUrl,
    trigger_id: command.triggerId,
  };
}

function userOf({ seed, users }: Workspace, id: string): WireObject {
  const user = users.get(id);
  return { id, username: user?.handle, name: user?.handle, team_id: user?.teamId ?? seed.id };
}

function nameOf({ kind, name }: WorkspaceChannel): string {
  return kind === 'im' ? 'directmessage' : kind === 'public' ? name : 'privategroup';
}
