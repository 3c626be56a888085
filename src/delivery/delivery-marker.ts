import type { DeliveryMarker } from '../core/outbound.ts';
import type { ClaimedTurn } from '../core/turn.ts';

const CLOCK_MARGIN_MS = 60_000;

/** How a delivery of a turn is found again. Nothing of a turn was sent before it began; the margin is for clocks that differ. */
export function markerOf(turn: ClaimedTurn, deliveryId: number): DeliveryMarker {
  return { deliveryId: String(deliveryId), firstTriedAtMs: turn.startedAtMs - CLOCK_MARGIN_MS };
}
