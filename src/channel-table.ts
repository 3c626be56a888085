import { discord } from './channels/discord/index.ts';
import { googleChat } from './channels/google-chat/index.ts';
import { mattermost } from './channels/mattermost/index.ts';
import { slack } from './channels/slack/index.ts';
import { teams } from './channels/teams/index.ts';
import { telegram } from './channels/telegram/index.ts';
import { whatsapp } from './channels/whatsapp/index.ts';
import { widget } from './channels/widget/index.ts';
import type { ChannelDefinition } from './core/channel-definition.ts';

/** The platforms of this version. A new one is its folder under `channels/` and a line here. */
export const channelTable: readonly ChannelDefinition[] = [
  slack,
  teams,
  googleChat,
  mattermost,
  telegram,
  whatsapp,
  discord,
  widget,
];

/** The address of one connection's events; `null`: the platform cannot reach us. */
export function webhookUrl(
  definitions: readonly ChannelDefinition[],
  publicUrl: string | null,
  channel: string,
  connectionId: string,
): string | null {
  const path = definitions.find(({ type }) => type === channel)?.webhook.path;
  return publicUrl === null || path === undefined ? null : `${publicUrl}${path}/${connectionId}`;
}
