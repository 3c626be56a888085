import type { Placeholder } from '../core/delivery.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** The placeholder as earlier attempts left it. */
export function earlierPlaceholder({ deliveries }: ClaimedTurn): Placeholder {
  const earlier = deliveries.find(({ kind }) => kind === 'placeholder');
  if (earlier === undefined) return { state: 'absent' };
  return earlier.externalId === null
    ? { state: 'unknown', deliveryId: earlier.id }
    : { state: 'shown', messageId: earlier.externalId };
}

/** The placeholder's delivery, whichever attempt made it; `null`: there is none. */
export function placeholderIdOf({ placeholderId, deliveries }: ClaimedTurn): number | null {
  return placeholderId ?? deliveries.find(({ kind }) => kind === 'placeholder')?.id ?? null;
}
