import type { MessageEvent } from '../../core/channel-event.ts';
import { asTimeMs } from '../read-json.ts';

/** All ids of Mattermost's have this form: users, channels, posts, files, teams. */
const ID = /^[a-z0-9]{26}$/;

export type Scope = MessageEvent['scope'];

/** `null`: no id of Mattermost's. */
export function asMattermostId(value: unknown): string | null {
  return typeof value === 'string' && ID.test(value) ? value : null;
}

/** Times are whole ms since 1970. */
export function asTime(value: unknown): number {
  return typeof value === 'number' ? asTimeMs(value) : 0;
}

/** What a channel's type is to us: D is a direct conversation, G one of a few people, O and P are channels. */
export function scopeOfType(type: unknown): Scope | null {
  if (type === 'D') return 'direct';
  if (type === 'G') return 'group';
  return type === 'O' || type === 'P' ? 'channel' : null;
}
