/** What a connection of a channel is identified by and which credentials it has. */
export interface ChannelRules {
  readonly externalId: RegExp;
  /** In words, after "must be". */
  readonly externalIdMeaning: string;
  readonly required: readonly string[];
  readonly optional: readonly string[];
}

/** The channels of this version. A new channel is a line here and its folder under `channels/`. */
export const channelRules: Readonly<Record<string, ChannelRules>> = {
  slack: {
    externalId: /^[TE][A-Z0-9]{2,30}$/,
    externalIdMeaning:
      'the id of a Slack workspace (T…) or organisation (E…), as in https://app.slack.com/client/T0123ABCD',
    required: ['botToken'],
    optional: ['signingSecret', 'appToken'],
  },
};
