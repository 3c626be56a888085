import { applyGlimpse } from '../../../src/core/glimpse.ts';

/** What a visitor thinks of an answer. */
export type Rating = 'up' | 'down';

/** A message as the events say it (src/gateway/visitors/stream-mailbox.ts). */
export interface WireMessage {
  readonly id: string;
  readonly from: 'visitor' | 'agent';
  readonly text: string;
  readonly position: number;
  readonly atMs: number;
  readonly choices?: readonly string[];
  readonly author?: string;
  readonly provisional?: boolean;
  /** It can be rated. */
  readonly answer?: boolean;
  readonly rating?: Rating;
  readonly removed?: boolean;
}

export interface WireGlimpse {
  readonly id: string;
  readonly from: number;
  readonly text: string;
  readonly length: number;
}

/** A message as it is shown. */
export interface Entry extends WireMessage {
  /** Of the visitor's own: `failed` ones can be sent again. */
  readonly state: 'sending' | 'sent' | 'failed';
  /** Why it failed, for people. */
  readonly reason?: string;
  /** What of the answer is written already; its `text` is the placeholder then. */
  readonly written?: string;
  /** What the visitor thinks of it was not taken. */
  readonly isRatingRefused?: boolean;
}

export interface WantedRating {
  readonly messageId: string;
  /** `null`: none any more. */
  readonly rating: Rating | null;
}

/** What is known of the conversation: kept in step with the server by ids, so that nothing stands there twice. */
export interface Conversation {
  take(message: WireMessage): void;
  takeGlimpse(glimpse: WireGlimpse): void;
  /** What the visitor has just written; it stands last until the server says where. */
  addOwn(id: string, text: string, atMs: number): void;
  setState(id: string, state: Entry['state'], reason?: string): void;
  find(id: string): Entry | undefined;
  /** What the visitor thinks now: shown at once, and wanted until the server has it. */
  wantRating(wanted: WantedRating): void;
  /** What the server does not have yet. */
  wantedRatings(): readonly WantedRating[];
  /** The server has it. */
  settleRating(rated: WantedRating): void;
  /** The server will not have it. */
  refuseRating(messageId: string): void;
  /** Somebody else is here now. */
  clear(): void;
  /** In the order of the conversation. */
  entries(): readonly Entry[];
}

export function createConversation(): Conversation {
  const entries = new Map<string, Entry>();
  const written = new Map<string, string>();
  const wanted = new Map<string, Rating | null>();
  const refused = new Set<string>();
  let lastPlace = 0;

  return {
    take(message) {
      if (message.removed) {
        entries.delete(message.id);
        return;
      }
      if (!message.provisional) written.delete(message.id);
      entries.set(message.id, { ...message, state: 'sent' });
    },
    takeGlimpse({ id, ...glimpse }) {
      const known = entries.get(id);
      if (known !== undefined && !known.provisional) return; // the answer itself is there
      const now = applyGlimpse(written.get(id) ?? '', glimpse);
      if (now !== null) written.set(id, now);
    },
    addOwn(id, text, atMs) {
      lastPlace += 1;
      const position = Number.MAX_SAFE_INTEGER - 1_000_000 + lastPlace;
      entries.set(id, { id, from: 'visitor', text, position, atMs, state: 'sending' });
    },
    setState(id, state, reason) {
      const entry = entries.get(id);
      if (entry === undefined || entry.state === 'sent') return; // the server has it, whatever the ack became
      const { reason: _before, ...rest } = entry;
      entries.set(id, { ...rest, state, ...(reason !== undefined && { reason }) });
    },
    find: (id) => entries.get(id),
    wantRating({ messageId, rating }) {
      refused.delete(messageId);
      wanted.set(messageId, rating);
    },
    wantedRatings: () => [...wanted].map(([messageId, rating]) => ({ messageId, rating })),
    settleRating({ messageId, rating }) {
      if (wanted.get(messageId) === rating) wanted.delete(messageId); // or they have changed their mind meanwhile
      const entry = entries.get(messageId);
      if (entry !== undefined) entries.set(messageId, withRating(entry, rating));
    },
    refuseRating(messageId) {
      wanted.delete(messageId);
      refused.add(messageId);
    },
    clear() {
      entries.clear();
      written.clear();
      wanted.clear();
      refused.clear();
    },
    entries: () =>
      [...entries.values()]
        .sort((a, b) => a.position - b.position)
        .map((entry) => {
          const text = entry.provisional ? written.get(entry.id) : undefined;
          const rating = wanted.get(entry.id);
          const rated = rating === undefined ? entry : withRating(entry, rating);
          return {
            ...rated,
            ...(text !== undefined && { written: text }),
            ...(refused.has(entry.id) && { isRatingRefused: true }),
          };
        }),
  };
}

function withRating({ rating: _before, ...entry }: Entry, rating: Rating | null): Entry {
  return { ...entry, ...(rating !== null && { rating }) };
}
