import { randomUUID } from 'node:crypto';
import {
  type AdmissionFilter,
  type FilterAnswer,
  type FilterEvent,
  type FilterPass,
  type SettledOutcome,
  unfiltered,
} from '../core/admission-filter.ts';
import { createBatcher } from '../db/create-batcher.ts';
import { askScript, settleScript } from './admission-scripts.ts';
import { type QuietThreads, threadName } from './create-quiet-threads.ts';
import type { RedisLink, RedisLinkCounts, RedisScript } from './create-redis-link.ts';

export interface RedisFilter extends AdmissionFilter {
  snapshot(): RedisFilterCounts;
  /** Resolves when everything that was settled so far is in Redis, or could not be brought there. */
  settled(): Promise<void>;
}

/** Since the start of the process. All but `state` count up. */
export interface RedisFilterCounts extends RedisLinkCounts {
  /** Messages that Redis decided about or passed on. */
  readonly filtered: number;
  /** Messages that went to PostgreSQL unseen by Redis, because it was away, slow or refused. */
  readonly fallenBack: number;
  readonly duplicates: number;
  readonly limited: number;
  readonly notEngaged: number;
  /** Commits that Redis has not heard of: their copies cost a database call. */
  readonly unsettled: number;
}

export interface RedisFilterOptions {
  readonly link: RedisLink;
  /** In a cluster a call names the keys of one tenant only: they share a slot. */
  readonly cluster: boolean;
  readonly quiet: QuietThreads;
  /** Whether announcements of conversations reach us; otherwise nothing that we remember counts. */
  readonly isListening: () => boolean;
}

const MAX_BATCH = 100;
const MAX_IN_FLIGHT = 2;
/** Settlements that may wait for Redis; beyond it they are dropped, which costs database calls only. */
const MAX_UNSETTLED = 10_000;

type Answer =
  | readonly ['d']
  | readonly ['n']
  | readonly ['l', retryAfterMs: number]
  | readonly ['p', charged: 0 | 1, held: 0 | 1, incarnation: string]
  | readonly ['e', tokens: number, limitedSinceMs: number, incarnation: string];

interface Question {
  readonly event: FilterEvent;
  readonly thread: string;
}

interface Settlement {
  readonly event: FilterEvent;
  readonly values: readonly [
    operation: 'new' | 'context' | 'refund' | 'release' | 'told',
    charged: 0 | 1,
    held: 0 | 1,
    capacity: number,
    senderId: string,
    limitedSinceMs: number,
  ];
}

export function createRedisFilter(options: RedisFilterOptions): RedisFilter {
  const { link, quiet } = options;
  const counts = { filtered: 0, fallenBack: 0, duplicates: 0, limited: 0, notEngaged: 0, unsettled: 0 };
  const questions = new WeakMap<FilterPass, number>();
  const settling = new Set<Promise<unknown>>();

  const askBatched = createBatcher<Question, FilterAnswer>({
    call: (batch) => inGroups(batch, askGroup),
    maxBatch: MAX_BATCH,
    maxInFlight: MAX_IN_FLIGHT,
    isShared: () => true,
  });
  const settleBatched = createBatcher<Settlement, null>({
    call: (batch) => inGroups(batch, settleGroup),
    maxBatch: MAX_BATCH,
    maxInFlight: 1,
    isShared: () => true,
  });

  /** Groups whose keys may be named together; results in the order of the batch. */
  async function inGroups<Item extends { readonly event: FilterEvent }, Result>(
    batch: readonly Item[],
    call: (group: readonly Item[]) => Promise<readonly Result[]>,
  ): Promise<readonly Result[]> {
    if (!options.cluster) return call(batch);
    const groups = Map.groupBy(batch.keys(), (index) => batch[index]?.event.tenantId);
    const results = new Array<Result>(batch.length);
    await Promise.all(
      [...groups.values()].map(async (places) => {
        const answers = await call(places.map((place) => batch[place] as Item));
        for (const [index, place] of places.entries()) results[place] = answers[index] as Result;
      }),
    );
    return results;
  }

  function run(script: RedisScript, group: readonly { readonly event: FilterEvent }[], values: unknown) {
    return link.run(
      script,
      group.flatMap(({ event }) => keysOf(event)),
      [JSON.stringify(values), randomUUID()],
    );
  }

  async function askGroup(group: readonly Question[]): Promise<readonly FilterAnswer[]> {
    const question = quiet.ask();
    try {
      const values = group.map(({ event, thread }) => [
        event.addressed,
        event.ratePerMinute,
        event.senderId,
        (event.addressed !== 'yes' && options.isListening() && quiet.find(thread)) || '',
      ]);
      const answers = JSON.parse(String(await run(askScript, group, values))) as readonly Answer[];
      counts.filtered += group.length;
      return answers.map((answer) => read(answer, question));
    } catch {
      counts.fallenBack += group.length; // the link has counted and logged why
      return group.map(() => unfiltered);
    }
  }

  function read(answer: Answer, question: number): FilterAnswer {
    switch (answer[0]) {
      case 'd':
        counts.duplicates += 1;
        return { outcome: 'duplicate' };
      case 'n':
        counts.notEngaged += 1;
        return { outcome: 'not_engaged' };
      case 'l':
        counts.limited += 1;
        return { outcome: 'limited', retryAfterMs: answer[1] };
      case 'p':
        return pass(answer[1] === 1, null, answer[2] === 1, answer[3], question);
      case 'e':
        return pass(false, { tokens: answer[1], limitedSinceMs: answer[2] }, false, answer[3], question);
      default:
        return answer satisfies never;
    }
  }

  function pass(
    charged: boolean,
    emptyBucket: FilterPass['emptyBucket'],
    held: boolean,
    incarnation: string,
    question: number,
  ): FilterPass {
    const receipt = { held, incarnation: incarnation === '' ? null : incarnation };
    const answer: FilterPass = { outcome: 'pass', charged, emptyBucket, receipt };
    questions.set(answer, question);
    return answer;
  }

  async function settleGroup(group: readonly Settlement[]): Promise<readonly null[]> {
    try {
      await run(
        settleScript,
        group,
        group.map(({ values }) => values),
      );
    } catch {
      counts.unsettled += group.length;
    }
    return group.map(() => null);
  }

  return {
    async ask(event) {
      if (!link.isUp()) {
        counts.fallenBack += 1;
        return unfiltered;
      }
      return askBatched({ event, thread: event.addressed === 'yes' ? '' : threadName(event) });
    },
    settle(event, answer, outcome) {
      const incarnation = answer.receipt?.incarnation ?? null;
      const question = questions.get(answer);
      if (outcome === 'not_engaged' && incarnation !== null && question !== undefined) {
        quiet.learn(threadName(event), incarnation, question);
      }
      const operation = operationFor(answer, outcome);
      if (operation === null) return;
      if (!link.isUp() || settling.size >= MAX_UNSETTLED) {
        counts.unsettled += 1;
        return;
      }
      const settlement = settleBatched({
        event,
        values: [
          operation,
          answer.charged ? 1 : 0,
          answer.receipt?.held ? 1 : 0,
          event.ratePerMinute,
          event.senderId,
          answer.emptyBucket?.limitedSinceMs ?? 0,
        ],
      });
      settling.add(settlement);
      void settlement.finally(() => settling.delete(settlement));
    },
    snapshot: () => ({ ...link.snapshot(), ...counts }),
    async settled() {
      while (settling.size > 0) await Promise.all(settling);
    },
  };
}

/** What Redis has to hear of an outcome; `null`: nothing. */
function operationFor(answer: FilterPass, outcome: SettledOutcome): Settlement['values'][0] | null {
  switch (outcome) {
    case 'new':
    case 'context':
      return outcome;
    case 'duplicate':
      // By PostgreSQL's word: under which name it knows the message is not said, so nothing is learnt. What was paid is not
      // given back, either: the copy that was stored is about to use it, and until then another message would take it.
      return answer.receipt?.held ? 'release' : null;
    case 'not_engaged':
    case 'failed':
      return answer.charged ? 'refund' : null;
    case 'limited':
      if (answer.charged) return 'refund';
      return answer.emptyBucket === null ? null : 'told';
    default:
      return outcome satisfies never;
  }
}

function keysOf(event: FilterEvent): readonly string[] {
  const tenant = `konstruct:{${event.tenantId}}`;
  return [
    `${tenant}:bucket:${event.bucketKey}`,
    `${tenant}:message:${event.connectionId}/${event.channelId}/${event.messageId}`,
    `${tenant}:told:${event.bucketKey}`,
    `${tenant}:thread:${threadName(event)}`,
    `${tenant}:incarnation`,
  ];
}
