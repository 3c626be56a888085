/** Teams' first six reactions, and those of its names that say what people say with them. */
const named: Readonly<Record<string, string>> = {
  like: '👍',
  heart: '❤️',
  laugh: '😆',
  surprised: '😮',
  sad: '😢',
  angry: '😡',
  yes: '👍',
  no: '👎',
  stop: '🛑',
};
const CODE_POINTS = /^((?:[0-9a-f]{2,6}-)*[0-9a-f]{4,6})_/i;
const SKIN_TONE = /[\u{1f3fb}-\u{1f3ff}]/gu;

/**
 * A reaction's name as Unicode, without skin tone: `like`, or code points in front of a name (`1f6d1_octagonalsign`).
 * `null`: an emoji of the company's own, or one that only Teams knows.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events#message-reaction-events
 */
export function emojiOf(type: unknown): string | null {
  if (typeof type !== 'string') return null;
  if (Object.hasOwn(named, type)) return named[type] ?? null;
  const codes = CODE_POINTS.exec(type)?.[1]?.split('-') ?? [];
  const points = codes.map((code) => Number.parseInt(code, 16));
  if (points.length === 0 || points.some((point) => point > 0x10_ff_ff)) return null;
  const emoji = String.fromCodePoint(...points).replaceAll(SKIN_TONE, '');
  return emoji.isWellFormed() && emoji !== '' ? emoji : null;
}
