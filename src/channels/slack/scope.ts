import type { MessageEvent } from '../../core/channel-event.ts';

/** `app_mention` has no `channel_type`, nor have interactions; the first letter of the channel's id tells most of it. */
export function scopeOf(channelType: unknown, channelId: string): MessageEvent['scope'] {
  switch (channelType) {
    case 'im':
      return 'direct';
    case 'mpim':
      return 'group';
    case 'channel':
    case 'group': // Slack's old word for a private channel
      return 'channel';
    default:
      return channelId.startsWith('D') ? 'direct' : channelId.startsWith('G') ? 'group' : 'channel';
  }
}
