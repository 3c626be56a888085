import type { AppsManifestCreateArguments } from '@slack/web-api';
import { describe, expect, it } from 'vitest';
import {
  allScopes,
  missingFeatures,
  missingScopes,
  type SlackManifest,
  slackManifest,
  slackManifestLink,
} from './manifest.ts';

const options = { publicUrl: 'https://konstruct.acme.example/', name: 'Ada & Köpenick' };

type Manifest = AppsManifestCreateArguments['manifest'];
type Writable<T> = { -readonly [Key in keyof T]: Writable<T[Key]> };
/** Names in ours that Slack's types do not know; has to be none. */
type Unknown<Ours, Slacks> = Exclude<keyof Ours, keyof NonNullable<Slacks>>;

describe('slackManifest', () => {
  it('is what Slack’s own types call a manifest, with no field that they do not know', () => {
    // Slack's list of scopes is written by hand and lacks `assistant:write`.
    const manifest: Manifest = slackManifest(options) as unknown as Writable<
      Omit<SlackManifest, 'oauth_config'>
    >;
    const unknown: readonly (
      | Unknown<SlackManifest['features'], Manifest['features']>
      | Unknown<SlackManifest['settings'], Manifest['settings']>
      | Unknown<SlackManifest['oauth_config'], Manifest['oauth_config']>
    )[] = [] satisfies never[];
    expect(unknown).toEqual([]);
    expect(manifest.features?.agent_view?.agent_description?.length).toBeLessThanOrEqual(300);
  });

  it('makes an app of the kind that Slack still makes', () => {
    const { features, settings } = slackManifest(options);
    expect(features).not.toHaveProperty('assistant_view');
    expect(settings.event_subscriptions.bot_events).toContain('app_home_opened');
    expect(settings.event_subscriptions.bot_events.join()).not.toContain('assistant_thread');
  });

  it('points Slack at this installation', () => {
    const { settings } = slackManifest(options);
    expect(settings.event_subscriptions.request_url).toBe('https://konstruct.acme.example/slack/events');
  });

  it('points the app of one connection at that connection', () => {
    const connectionId = '0198f6a2-7a52-7cc0-8000-000000000001';
    expect(slackManifest({ ...options, connectionId }).settings.event_subscriptions.request_url).toBe(
      `https://konstruct.acme.example/slack/events/${connectionId}`,
    );
  });

  it('gives interactions, commands and the way back from consent their addresses, those of one connection too', () => {
    const at = (connection: object) => {
      const { settings, features, oauth_config } = slackManifest({ ...options, ...connection });
      const [command] = features.slash_commands;
      return [settings.interactivity.request_url, command?.url, command?.command, oauth_config.redirect_urls];
    };
    const base = 'https://konstruct.acme.example/slack';
    const redirect = [`${base}/oauth_redirect`];
    expect(at({})).toEqual([`${base}/interactions`, `${base}/commands`, '/ada-k-penick', redirect]);
    const own = { connectionId: 'c1' };
    expect(at(own)).toEqual([`${base}/interactions/c1`, `${base}/commands/c1`, '/ada-k-penick', redirect]);
    expect(at({ publicUrl: null, name: '😀' })).toEqual([undefined, undefined, '/ask', undefined]);
  });

  it('names no address where Slack cannot reach us, and switches Socket Mode on', () => {
    const { settings } = slackManifest({ ...options, publicUrl: null });
    expect(settings.event_subscriptions).not.toHaveProperty('request_url');
    expect(settings.socket_mode_enabled).toBe(true);
    expect(slackManifest(options).settings.socket_mode_enabled).toBe(false);
  });

  it('asks for scopes that cover its events', () => {
    const { oauth_config, settings } = slackManifest(options);
    const { bot } = oauth_config.scopes;
    expect(new Set(bot).size).toBe(bot.length);
    expect(bot).toContain('commands');
    const needed: Record<string, string> = {
      app_mention: 'app_mentions:read',
      'message.channels': 'channels:history',
      'message.groups': 'groups:history',
      'message.im': 'im:history',
      'message.mpim': 'mpim:history',
      reaction_added: 'reactions:read',
      reaction_removed: 'reactions:read',
    };
    expect(settings.event_subscriptions.bot_events).toEqual(expect.arrayContaining(Object.keys(needed)));
    for (const event of settings.event_subscriptions.bot_events) {
      const scope = needed[event];
      if (scope !== undefined) expect(bot).toContain(scope);
    }
  });

  it('lets people write to the agent directly', () => {
    expect(slackManifest(options).features.app_home).toMatchObject({
      messages_tab_enabled: true,
      messages_tab_read_only_enabled: false,
    });
  });

  it('cuts a name that Slack would refuse', () => {
    const { name } = slackManifest({ ...options, name: `${'😀'.repeat(40)}` }).display_information;
    expect(Array.from(name)).toHaveLength(35);
    expect(name.isWellFormed()).toBe(true);
  });
});

describe('slackManifestLink', () => {
  it('holds the manifest', () => {
    const link = new URL(slackManifestLink(options));
    expect(link.origin + link.pathname).toBe('https://api.slack.com/apps');
    expect(link.searchParams.get('new_app')).toBe('1');
    expect(JSON.parse(link.searchParams.get('manifest_json') ?? '')).toEqual(slackManifest(options));
  });
});

describe('missingScopes', () => {
  it('names what a token lacks', () => {
    expect(missingScopes(slackManifest(options).oauth_config.scopes.bot)).toEqual([]);
    expect(missingScopes(['chat:write', 'users:read', 'app_mentions:read'])).toEqual([
      'channels:history',
      'groups:history',
      'im:history',
      'mpim:history',
    ]);
  });
});

describe('missingFeatures', () => {
  it('says what an agent cannot do with fewer scopes, though it works', () => {
    expect(missingFeatures(allScopes)).toEqual([]);
    const without = allScopes.filter((scope) => !['files:read', 'commands'].includes(scope));
    expect(missingFeatures(without)).toEqual([
      { scope: 'commands', feature: 'be called by its slash command' },
      { scope: 'files:read', feature: 'read files that people attach' },
    ]);
    expect(missingScopes(without)).toEqual([]);
  });
});
