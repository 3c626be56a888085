import type { Placeholder } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { ClaimedTurn, Step, TurnCancellation } from '../core/turn.ts';
import type { TurnEnding, TurnEndingOptions } from './create-turn-ending.ts';
import { markTurn } from './mark-turn.ts';
import { codeOf, turnIds, turnKey } from './turn-outcome.ts';

/** What a turn does that people have stopped, changed or taken the ground from while it ran. */
export interface TurnInterruption {
  /**
   * Ends an attempt that was interrupted, or whose commit was refused, in the way that the ledger says: cancelled, put
   * back to begin anew, or silent because it is somebody else's.
   *
   * @throws KonstructError `lease_lost`
   */
  settle(
    turn: ClaimedTurn,
    progress: { readonly steps: readonly Step[]; readonly placeholder: Placeholder },
    signal: AbortSignal,
  ): Promise<void>;
  /** Nothing is to be said: what stands in the thread is settled and the turn ends. */
  cancel(
    turn: ClaimedTurn,
    reason: TurnCancellation,
    placeholder: Placeholder,
    signal: AbortSignal,
  ): Promise<void>;
}

/** What stands where the placeholder was after somebody said stop. */
const STOPPED = 'Stopped.';

export function createTurnInterruption(options: TurnEndingOptions, ending: TurnEnding): TurnInterruption {
  const { ledger, delivery, log } = options;
  return { settle, cancel };

  async function settle(
    turn: ClaimedTurn,
    { steps, placeholder }: { readonly steps: readonly Step[]; readonly placeholder: Placeholder },
    signal: AbortSignal,
  ): Promise<void> {
    const [now] = await ending.patiently(signal, () => ledger.check([turnKey(turn)]));
    if (now === undefined || now.state === 'lost') throw new KonstructError('lease_lost');
    if (now.state === 'gone') {
      // The connection or the tenant was removed. What we sent before is ours to take away, as long as we know how.
      const refused = await delivery.withdraw(turn, placeholder, null, signal);
      log.warn('turn.gone', { ...turnIds(turn), code: refused === null ? null : codeOf(refused) });
      return;
    }
    if (now.cancel !== null) {
      await ledger.logSteps({ ...turnKey(turn), steps });
      await cancel(turn, now.cancel, placeholder, signal);
      return;
    }
    await ledger.retry({
      ...turnKey(turn),
      delayMs: 0,
      counts: false,
      steps,
      placeholderExternalId: placeholder.state === 'shown' ? placeholder.messageId : null,
      errorCode: null,
      errorDetails: null,
      externalIds: [],
      // If it is committed after all, this attempt did it and was not told: nothing was sent.
      untriedFrom: 0,
    });
    log.info('turn.begins_anew', { ...turnIds(turn), revision: now.revision });
  }

  async function cancel(
    turn: ClaimedTurn,
    reason: TurnCancellation,
    placeholder: Placeholder,
    signal: AbortSignal,
  ): Promise<void> {
    // Where an earlier answer stands there is no placeholder: only who retracts takes it away.
    const untouched = turn.revises !== null && reason !== 'retract';
    const refused = untouched
      ? null
      : await delivery.withdraw(turn, placeholder, reason === 'stopped' ? STOPPED : null, signal);
    if (refused !== null) {
      if (isKonstructError(refused, 'lease_lost')) throw refused;
      const delayMs = options.deliveryRetryDelaysMs[turn.attempts];
      const worthRepeating = !isKonstructError(refused) || refused.retryable;
      if (signal.aborted || (worthRepeating && delayMs !== undefined)) {
        const progress = { steps: [], placeholder, externalIds: [] };
        await ending.putBack(turn, refused, signal, progress, delayMs ?? 0);
        return;
      }
      log.error('placeholder.left_standing', { ...turnIds(turn), code: codeOf(refused), error: refused });
    }
    await ending.patiently(signal, () =>
      ledger.finish({
        ...turnKey(turn),
        status: 'cancelled',
        errorCode: null,
        externalIds: [],
        followMs: null,
      }),
    );
    markTurn(options.journeys, turn, 'failed', options.clock(), null, reason);
    log.info('turn.cancelled', { ...turnIds(turn), reason });
  }
}
