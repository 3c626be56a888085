import { expect, it } from 'vitest';
import { KonstructError } from '../core/errors.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import { createTurnEnding } from './create-turn-ending.ts';

const turn = {
  tenantId: 't',
  conversationId: 1,
  turnId: 2,
  fence: 3,
  attempts: 4,
  status: 'running',
  placeholderId: 5,
  deliveries: [],
  messages: [],
  revises: null,
  connection: { externalId: 'T1' },
} as unknown as ClaimedTurn;

/** An ending whose delivery fails in this way, and what was written. */
function endingThat(refuses: KonstructError) {
  const written: [string, unknown][] = [];
  const write = (name: string) => async (value: unknown) => {
    written.push([name, value]);
    return true;
  };
  const ending = createTurnEnding({
    ledger: { finish: write('finish'), retry: write('retry'), recordApology: write('apology') } as never,
    delivery: { answer: async () => ({ externalIds: [null], error: refuses }) } as never,
    clock: Date.now,
    sleep: async () => {},
    journeys: { mark() {} },
    log: { debug() {}, info() {}, warn() {}, error() {} },
    modelRetryDelaysMs: [],
    deliveryRetryDelaysMs: [],
    apologyRetryMs: 20,
  });
  return { ending, written };
}

const shown = { state: 'shown', messageId: 'm' } as const;

it('hands a turn over when the worker had to stop before the thread could be told that it was given up', async () => {
  const stopping = AbortSignal.abort(new KonstructError('aborted', 'The worker shuts down.'));
  const { ending, written } = endingThat(new KonstructError('aborted'));
  await ending.giveUp(turn, new KonstructError('internal'), stopping, shown);
  expect(written).toEqual([
    ['retry', expect.objectContaining({ delayMs: 0, counts: false, placeholderExternalId: 'm' })],
  ]);
});

it('ends a turn although the platform does not take the sentence', async () => {
  const { ending, written } = endingThat(new KonstructError('platform_rejected'));
  await ending.giveUp(turn, new KonstructError('internal'), new AbortController().signal, shown);
  expect(written).toEqual([['finish', expect.objectContaining({ status: 'dead', errorCode: 'internal' })]]);
});
