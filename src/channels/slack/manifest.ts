/** What a Slack app of this installation has to be, as Slack's app manifest (schema version 1). */
export interface SlackManifestOptions {
  /** Where Slack reaches this installation, without a path; `null`: nowhere, the app uses Socket Mode. */
  readonly publicUrl: string | null;
  /** Name of the app and its bot user; Slack takes 35 characters. */
  readonly name: string;
  /** The connection that the app is made for, where a tenant has an app of its own; absent: all share the app. */
  readonly connectionId?: string;
}

export interface SlackManifest {
  readonly display_information: { readonly name: string; readonly description: string };
  readonly features: {
    readonly app_home: Readonly<Record<string, boolean>>;
    readonly bot_user: { readonly display_name: string; readonly always_online: boolean };
    readonly agent_view: { readonly agent_description: string };
    readonly slash_commands: readonly {
      readonly command: string;
      readonly url?: string;
      readonly description: string;
      readonly usage_hint: string;
      readonly should_escape: boolean;
    }[];
  };
  readonly oauth_config: {
    readonly redirect_urls?: readonly string[];
    readonly scopes: { readonly bot: readonly SlackScope[] };
  };
  readonly settings: {
    readonly event_subscriptions: { readonly request_url?: string; readonly bot_events: typeof BOT_EVENTS };
    readonly interactivity: { readonly is_enabled: boolean; readonly request_url?: string };
    readonly org_deploy_enabled: boolean;
    readonly socket_mode_enabled: boolean;
    readonly token_rotation_enabled: boolean;
  };
}

const MAX_NAME_CHARACTERS = 35;

/** Without these the agent does not hear or does not answer. */
const REQUIRED_SCOPES = [
  'app_mentions:read',
  'chat:write',
  'channels:history',
  'groups:history',
  'im:history',
  'mpim:history',
  'users:read',
] as const;

/** What else the agent can do, and the scope without which it cannot. The first word is lower-case: it stands after "cannot". */
const FEATURE_SCOPES = {
  'assistant:write': 'offer prompts where somebody opens a conversation with it',
  'chat:write.customize':
    'speak under the names and pictures of agents that are called otherwise than the app',
  commands: 'be called by its slash command',
  'files:read': 'read files that people attach',
  'files:write': 'send files',
  'im:write': 'answer a slash command where it is no member',
  'reactions:read': 'be stopped, muted or given feedback by a reaction',
  'reactions:write': 'react to messages',
} as const;

type SlackScope = (typeof REQUIRED_SCOPES)[number] | keyof typeof FEATURE_SCOPES;

/** All that the app asks for, in order. */
export const allScopes: readonly SlackScope[] = [
  ...REQUIRED_SCOPES,
  ...(Object.keys(FEATURE_SCOPES) as (keyof typeof FEATURE_SCOPES)[]),
].sort();

const BOT_EVENTS = [
  'app_home_opened',
  'app_mention',
  'app_uninstalled',
  'message.channels',
  'message.groups',
  'message.im',
  'message.mpim',
  'reaction_added',
  'reaction_removed',
  'tokens_revoked',
] as const;

/**
 * The manifest from which Slack makes an app that works with this installation. Slack makes no new apps with the older
 * `assistant_view` and its events; of apps that have them they are still understood, see `parseOpening`.
 *
 * Source: https://docs.slack.dev/reference/app-manifest, https://docs.slack.dev/ai/migrating-to-agent-messaging
 */
export function slackManifest({ publicUrl, name, connectionId }: SlackManifestOptions): SlackManifest {
  const shortName = Array.from(name.trim()).slice(0, MAX_NAME_CHARACTERS).join('').trimEnd();
  const base = publicUrl?.replace(/\/+$/, '');
  const own = connectionId === undefined ? '' : `/${connectionId}`;
  const addressOf = (path: string): string | undefined =>
    base === undefined ? undefined : `${base}/slack/${path}${own}`;
  const events = addressOf('events');
  const interactions = addressOf('interactions');
  const commands = addressOf('commands');
  return {
    display_information: { name: shortName, description: 'An AI coworker, by Konstruct.' },
    features: {
      // Without the messages tab nobody can write to the agent directly.
      app_home: {
        home_tab_enabled: false,
        messages_tab_enabled: true,
        messages_tab_read_only_enabled: false,
      },
      bot_user: { display_name: shortName, always_online: true },
      slash_commands: [
        {
          command: `/${commandName(shortName)}`,
          ...(commands !== undefined && { url: commands }),
          description: `Ask ${shortName}. Others see the question and the answer.`,
          usage_hint: 'how do refunds work?',
          // Mentions then come with the person's id.
          should_escape: true,
        },
      ],
      agent_view: { agent_description: 'Ask, and it goes to work.' },
    },
    oauth_config: {
      scopes: { bot: allScopes },
      ...(base !== undefined && { redirect_urls: [`${base}/slack/oauth_redirect`] }),
    },
    settings: {
      event_subscriptions: {
        ...(events !== undefined && { request_url: events }),
        bot_events: BOT_EVENTS,
      },
      interactivity: {
        is_enabled: true,
        ...(interactions !== undefined && { request_url: interactions }),
      },
      org_deploy_enabled: true,
      socket_mode_enabled: publicUrl === null,
      token_rotation_enabled: false,
    },
  };
}

/** A command is lower-case and of at most 32 characters. https://docs.slack.dev/interactivity/implementing-slash-commands */
function commandName(name: string): string {
  const word = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 31);
  return word || 'ask';
}

/** Opens Slack's "create an app" page, with the manifest filled in where Slack's dialog takes it from the address. */
export function slackManifestLink(options: SlackManifestOptions): string {
  const manifest = encodeURIComponent(JSON.stringify(slackManifest(options)));
  return `https://api.slack.com/apps?new_app=1&manifest_json=${manifest}`;
}

/** Scopes that a token needs and does not have. */
export function missingScopes(scopes: readonly string[]): readonly string[] {
  return REQUIRED_SCOPES.filter((scope) => !scopes.includes(scope));
}

/** What the agent cannot do with these scopes although it works without, in words. */
export function missingFeatures(
  scopes: readonly string[],
): readonly { readonly scope: string; readonly feature: string }[] {
  return Object.entries(FEATURE_SCOPES)
    .filter(([scope]) => !scopes.includes(scope))
    .map(([scope, feature]) => ({ scope, feature }));
}
