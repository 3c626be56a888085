import type { ControlMessage } from '../../../../src/simulator/control-api.ts';

const SAME_BREATH_MS = 5 * 60_000;

/** Whether a message goes on where the one above it ended: same person, soon after, nothing in between. */
export function continuesAbove(message: ControlMessage, above: ControlMessage | null): boolean {
  return (
    above !== null &&
    above.userId === message.userId &&
    above.visibleToUserId === message.visibleToUserId &&
    above.replyCount === 0 &&
    message.sentAtMs - above.sentAtMs < SAME_BREATH_MS
  );
}

/** `Today`, `Yesterday`, `Monday, 3 March` */
export function dayLabel(atMs: number, nowMs: number): string {
  const days = Math.round((startOfDay(nowMs) - startOfDay(atMs)) / 86_400_000);
  if (days === 0) return 'Today';
  if (days === 1) return 'Yesterday';
  return new Date(atMs).toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long' });
}

function startOfDay(atMs: number): number {
  return new Date(atMs).setHours(0, 0, 0, 0);
}

/** `09:41` */
export function timeLabel(atMs: number): string {
  return new Date(atMs).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}
