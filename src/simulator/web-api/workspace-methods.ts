import type { WireObject } from '../wire-message.ts';
import type { UserSeed, Workspace } from '../workspace.ts';
import { workspaceDomain } from '../workspace.ts';
import type { ApiCallContext, ApiMethod } from './api-method.ts';
import { joinedChannel, messageAt } from './api-method.ts';
import { SlackApiError } from './slack-api-error.ts';

export const workspaceMethods: Readonly<Record<string, ApiMethod>> = {
  'auth.test': {
    scopes: [],
    run({ workspace }) {
      const { seed } = workspace;
      return {
        url: `https://${workspaceDomain(seed)}.slack.com/`,
        team: seed.name,
        user: workspace.users.get(seed.botUserId)?.handle,
        team_id: seed.id,
        user_id: seed.botUserId,
        bot_id: seed.botId,
        ...(seed.enterpriseId ? { enterprise_id: seed.enterpriseId } : {}),
        is_enterprise_install: seed.orgWideInstall === true,
      };
    },
  },

  'team.info': {
    scopes: ['team:read'],
    run({ workspace, args }) {
      const { seed } = workspace;
      const wanted = args.text('team');
      if (wanted !== undefined && wanted !== seed.id) throw new SlackApiError('team_not_found');
      return {
        team: {
          id: seed.id,
          name: seed.name,
          url: `https://${workspaceDomain(seed)}.slack.com/`,
          domain: workspaceDomain(seed),
          email_domain: '',
          icon: { image_default: true },
          ...(seed.enterpriseId ? { enterprise_id: seed.enterpriseId, enterprise_name: seed.name } : {}),
        },
      };
    },
  },

  'users.info': {
    scopes: ['users:read'],
    run({ workspace, args }) {
      const user = workspace.users.get(args.requiredText('user'));
      if (!user) throw new SlackApiError('user_not_found');
      return { user: wireUser(workspace, user) };
    },
  },

  'reactions.add': {
    scopes: ['reactions:write'],
    run(call) {
      const { channel, message, name, present } = reactionOf(call);
      if (present) throw new SlackApiError('already_reacted');
      const userId = call.workspace.seed.botUserId;
      call.actions.react(call.workspace, channel, message, { userId, name, present: true });
      return {};
    },
  },

  'reactions.remove': {
    scopes: ['reactions:write'],
    run(call) {
      const { channel, message, name, present } = reactionOf(call);
      if (!present) throw new SlackApiError('no_reaction');
      const userId = call.workspace.seed.botUserId;
      call.actions.react(call.workspace, channel, message, { userId, name, present: false });
      return {};
    },
  },
};

function reactionOf(call: ApiCallContext) {
  const name = (call.args.text('name') ?? '').replaceAll(':', '');
  if (!/^[a-z0-9_+'-]+$/.test(name)) throw new SlackApiError('invalid_name');
  if (call.args.text('channel') === undefined) throw new SlackApiError('no_item_specified');
  const channel = joinedChannel(call);
  const ts = call.args.text('timestamp');
  if (ts === undefined) throw new SlackApiError('no_item_specified');
  if (!/^\d+\.\d+$/.test(ts)) throw new SlackApiError('bad_timestamp');
  const message = messageAt(channel, ts, 'message_not_found');
  const present = message.reactions.some(
    (reaction) => reaction.name === name && reaction.userIds.includes(call.workspace.seed.botUserId),
  );
  return { channel, message, name, present };
}

function wireUser({ seed }: Workspace, user: UserSeed): WireObject {
  const [firstName = user.name, ...others] = user.name.split(' ');
  return {
    id: user.id,
    team_id: user.teamId ?? seed.id,
    name: user.handle,
    deleted: false,
    real_name: user.name,
    tz: 'Europe/London',
    tz_label: 'Greenwich Mean Time',
    tz_offset: 0,
    profile: {
      title: user.title ?? '',
      real_name: user.name,
      real_name_normalized: user.name,
      display_name: user.handle,
      display_name_normalized: user.handle,
      first_name: firstName,
      last_name: others.join(' '),
      ...(user.bot ? { api_app_id: user.bot.appId, bot_id: user.bot.botId } : {}),
      team: user.teamId ?? seed.id,
    },
    is_admin: false,
    is_owner: false,
    is_primary_owner: false,
    is_restricted: false,
    is_ultra_restricted: false,
    is_bot: user.bot !== undefined,
    is_app_user: false,
    is_stranger: user.teamId !== undefined,
    updated: 0,
  };
}
