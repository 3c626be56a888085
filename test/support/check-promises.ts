import type { Simulator } from '../../src/simulator/simulator.ts';

/** A message that was said, and whether Slack got its ack. */
export interface Said {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly ts: string;
  /** A word that no other message holds, by which it is found in prompts. */
  readonly token: string;
  readonly acked: boolean;
  /** A mention or a direct message: the agent is meant whatever else is known of the thread. */
  readonly asked: boolean;
  /** It was taken back: perhaps before anybody began to answer it. */
  readonly deleted?: boolean;
}

/** A request that the model stand-in got. */
export interface ModelCall {
  readonly atMs: number;
  /** The last token of the last thing said to the model. */
  readonly lastToken: string;
}

export interface Violation {
  readonly promise: string;
  readonly turnId?: string;
  readonly detail: unknown;
}

export interface Findings {
  readonly violations: readonly Violation[];
  readonly counts: Readonly<Record<string, number>>;
}

interface TurnRow {
  readonly id: string;
  readonly conversation_id: string;
  readonly status: string;
  readonly error_code: string | null;
  readonly cancel: string | null;
  readonly revises: string | null;
  readonly started_ms: number;
  readonly committed_ms: number | null;
  readonly finished_ms: number | null;
}

interface DeliveryRow {
  readonly id: string;
  readonly turn_id: string;
  readonly kind: string;
  readonly channel_id: string;
  readonly status: string;
  readonly content: string | null;
  readonly external_id: string | null;
}

interface MessageRow {
  readonly id: string;
  readonly conversation_id: string;
  readonly turn_id: string | null;
  readonly channel_id: string;
  readonly external_id: string;
  readonly addressed: boolean;
  readonly content: string;
  /** Null: an agent read it with its thread before it came itself, so that its id says nothing about when it came. */
  readonly event_id: string | null;
}

interface NoticeRow {
  readonly id: string;
  readonly code: string;
  readonly dedupe_key: string;
}

/** Clocks of two statements of one machine; a claim's time is that at which its transaction began. */
const TOLERANCE_MS = 100;

/**
 * Holds what an idle installation has stored, and what stands in its Slack, against invariants 1 to 4: everything
 * acked has one turn, every turn one text per part, in order, one at a time, and no finished model call was repeated.
 */
export async function checkPromises(input: {
  readonly query: (text: string) => Promise<readonly Record<string, unknown>[]>;
  readonly simulator: Simulator;
  /** Whose channels have different ids. */
  readonly workspaceIds: readonly string[];
  readonly said: readonly Said[];
  readonly modelCalls: readonly ModelCall[];
}): Promise<Findings> {
  const violations: Violation[] = [];
  const turns = (await input.query(`
    select id, conversation_id, status, error_code, cancel, revises, extract(epoch from started_at)::float8 * 1000 as started_ms,
      extract(epoch from committed_at)::float8 * 1000 as committed_ms,
      extract(epoch from finished_at)::float8 * 1000 as finished_ms
    from konstruct.turns order by conversation_id, id`)) as unknown as TurnRow[];
  const deliveries = (await input.query(`
    select id, turn_id, kind, channel_id, status, content, external_id from konstruct.deliveries
    where kind <> 'notice' order by turn_id, kind, position`)) as unknown as DeliveryRow[];
  const messages = (await input.query(`
    select id, conversation_id, turn_id, channel_id, external_id, event_id, addressed, content from konstruct.messages
    where direction = 'in' order by id`)) as unknown as MessageRow[];
  const messagesOf = Map.groupBy(messages, ({ turn_id }) => turn_id);

  const stored = Map.groupBy(messages, ({ channel_id, external_id }) => `${channel_id} ${external_id}`);
  for (const { channelId, ts, token, acked, asked, deleted = false } of input.said) {
    const rows = stored.get(`${channelId} ${ts}`) ?? [];
    const open = rows.filter((row) => row.addressed && row.turn_id === null && !deleted);
    if (rows.length > 1 || open.length > 0 || (acked && asked && !deleted && rows[0]?.turn_id == null)) {
      violations.push({ promise: 'an acked message has one turn', detail: { channelId, ts, token, rows } });
    }
  }

  for (const turn of turns) {
    if (!['answered', 'dead', 'cancelled'].includes(turn.status)) {
      violations.push({ promise: 'every turn ends', turnId: turn.id, detail: turn });
    }
  }
  const cameFor = ({ id: turnId }: TurnRow): readonly number[] =>
    (messagesOf.get(turnId) ?? []).flatMap(({ id, event_id }) => (event_id === null ? [] : Number(id)));
  for (const [, ofConversation] of Map.groupBy(turns, ({ conversation_id }) => conversation_id)) {
    // What was cancelled before anybody began is no turn that could run beside another.
    const begun = ofConversation.filter(
      ({ id, status }) => status !== 'cancelled' || deliveries.some(({ turn_id }) => turn_id === id),
    );
    for (const [index, turn] of begun.entries()) {
      const next = begun[index + 1];
      if (next === undefined) continue;
      if (next.started_ms < (turn.finished_ms ?? Number.POSITIVE_INFINITY) - TOLERANCE_MS) {
        violations.push({
          promise: 'one turn at a time in a conversation',
          turnId: next.id,
          detail: { turn, next },
        });
      }
      // What was cancelled answered nothing: a second look at an answer from before it may follow.
      if (turn.status === 'cancelled' || next.status === 'cancelled') continue;
      const newest = Math.max(...cameFor(turn));
      const oldest = Math.min(...cameFor(next));
      if (oldest < newest) {
        violations.push({
          promise: 'answers come in order',
          turnId: next.id,
          detail: { newest, oldest, turn, next },
        });
      }
    }
  }

  const notices = (await input.query(
    `select id, detail->>'code' as code, dedupe_key from konstruct.deliveries where kind = 'notice'`,
  )) as unknown as readonly NoticeRow[];
  violations.push(...checkSlack(input, turns, deliveries, notices));

  for (const turn of turns) {
    // A message that was taken back has no text any more, and is nobody's.
    const tokens = (messagesOf.get(turn.id) ?? []).flatMap(({ content }) => tokenOf(content) || []);
    const { committed_ms: committedMs } = turn;
    if (committedMs === null) continue;
    const late = input.modelCalls.filter(
      ({ lastToken, atMs }) => tokens.includes(lastToken) && atMs > committedMs + TOLERANCE_MS,
    );
    if (late.length > 0) {
      violations.push({
        promise: 'a finished model call is not repeated',
        turnId: turn.id,
        detail: { committedMs, late },
      });
    }
  }

  const statuses = Map.groupBy(turns, ({ status, error_code }) =>
    status === 'dead' ? `turns dead (${error_code})` : `turns ${status}`,
  );
  return {
    violations,
    counts: {
      said: input.said.length,
      acked: input.said.filter(({ acked }) => acked).length,
      stored: messages.length,
      'model calls': input.modelCalls.length,
      'told that it takes a while': notices.filter(({ code }) => code === 'busy').length,
      ...Object.fromEntries([...statuses].map(([name, list]) => [name, list.length])),
    },
  };
}

function checkSlack(
  input: { readonly simulator: Simulator; readonly workspaceIds: readonly string[] },
  turns: readonly TurnRow[],
  deliveries: readonly DeliveryRow[],
  notices: readonly NoticeRow[],
): readonly Violation[] {
  const violations: Violation[] = [];
  const standing = input.workspaceIds.flatMap((id) => standingOf(input.simulator, id));
  const byDelivery = Map.groupBy(standing, ({ deliveryId }) => deliveryId);
  const replaced = new Set(
    turns
      .filter(({ status, cancel }) => status === 'answered' || cancel === 'retract')
      .map(({ revises }) => revises),
  );
  // A notice stands there once, or not at all: better not told than told twice.
  const expected = new Set(notices.map(({ id }) => id));
  for (const { id } of notices) {
    const found = byDelivery.get(id) ?? [];
    if (found.length > 1) violations.push({ promise: 'a notice is said once', detail: found });
  }
  for (const turn of turns) {
    const own = deliveries.filter(({ turn_id }) => turn_id === turn.id);
    const answers = own.filter(({ kind }) => kind === 'answer');
    const standingOf = own.flatMap(({ id }) => byDelivery.get(id) ?? []);
    if (replaced.has(turn.id)) {
      // Edited into the answer of a second look, or taken back with the question.
      for (const { id } of own) expected.add(id);
      if (standingOf.length > 0)
        violations.push({ promise: 'a replaced answer is gone', turnId: turn.id, detail: standingOf });
      continue;
    }
    if (turn.status === 'cancelled') {
      for (const { id } of own) expected.add(id);
      const wrong = standingOf.filter(({ text }) => turn.cancel !== 'stopped' || text !== 'Stopped.');
      if (wrong.length > 0 || standingOf.length > 1)
        violations.push({ promise: 'what was stopped says only so', turnId: turn.id, detail: standingOf });
      continue;
    }
    if (answers.length === 0) {
      // Given up before there was an answer: the honest sentence may stand in the placeholder.
      for (const { id } of own) expected.add(id);
      const texts = own.flatMap(({ id }) => byDelivery.get(id) ?? []);
      if (texts.length > 1) violations.push({ promise: 'one text per turn', turnId: turn.id, detail: texts });
    }
    for (const answer of answers) {
      expected.add(answer.id);
      const found = byDelivery.get(answer.id) ?? [];
      const text = found[0];
      const isRight =
        turn.status === 'dead' || (text?.ts === answer.external_id && text?.text === answer.content);
      if (found.length !== 1 || !isRight) {
        violations.push({
          promise: 'one final text per part',
          turnId: turn.id,
          detail: { turn, answer, found },
        });
      }
    }
  }
  for (const message of standing) {
    if (message.text === 'Thinking…' || message.text.startsWith('Thinking… · ')) {
      const turnId = deliveries.find(({ id }) => id === message.deliveryId)?.turn_id;
      violations.push({
        promise: 'no placeholder is left standing',
        ...(turnId !== undefined && { turnId }),
        detail: message,
      });
    } else if (!expected.has(message.deliveryId)) {
      violations.push({ promise: 'nothing is said that no turn knows', detail: message });
    }
  }
  return violations;
}

/** What an agent has said in a workspace and everybody there sees. */
export interface StandingMessage {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly ts: string;
  readonly threadTs: string | null;
  readonly text: string;
  /** The id of our row that it carries as its marker; `''`: none. */
  readonly deliveryId: string;
}

export function standingOf(simulator: Simulator, workspaceId: string): readonly StandingMessage[] {
  const workspace = simulator.workspaces.get(workspaceId);
  return [...(workspace?.channels.values() ?? [])]
    .flatMap(({ messages }) => [...messages.values()])
    .filter(({ userId, visibleToUserId }) => userId === workspace?.seed.botUserId && visibleToUserId === null)
    .map(({ channelId, ts, threadTs, markdown, text, metadata }) => ({
      workspaceId,
      channelId,
      ts,
      threadTs,
      text: markdown ?? text,
      deliveryId: String(metadata?.event_payload.delivery_id ?? ''),
    }));
}

/** The token of a message's text; `''` when it has none. */
export function tokenOf(text: string): string {
  return [...text.matchAll(/\bq\d+\b/g)].at(-1)?.[0] ?? '';
}
