/** What the end of a connection means for the next one. */
export interface EndMeaning {
  /** Whether the session may be gone on with. */
  readonly canResume: boolean;
  /** Why trying again at once is no use; absent: it is worth a try. */
  readonly permanent?: {
    readonly word: string;
    readonly remedy: string;
  };
}

const PORTAL = 'https://discord.com/developers/applications';

/** Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes */
const meanings: Readonly<Record<number, EndMeaning>> = {
  // Closed by both sides' rules for good: the session is over.
  1000: { canResume: false },
  1001: { canResume: false },
  4003: { canResume: false },
  4004: {
    canResume: false,
    permanent: {
      word: 'unauthorized',
      remedy: `Reset the token at ${PORTAL} → the app → Bot, and apply it.`,
    },
  },
  4007: { canResume: false },
  4009: { canResume: false },
  4010: {
    canResume: false,
    permanent: { word: 'shard_invalid', remedy: 'This is a fault of Konstruct: please report it.' },
  },
  4011: {
    canResume: false,
    permanent: {
      word: 'sharding_required',
      remedy: 'The bot is in more servers than one connection serves (2,500): take it out of some.',
    },
  },
  4012: {
    canResume: false,
    permanent: {
      word: 'version_refused',
      remedy: 'Update Konstruct: it speaks a version that Discord has ended.',
    },
  },
  4013: {
    canResume: false,
    permanent: { word: 'intents_invalid', remedy: 'This is a fault of Konstruct: please report it.' },
  },
  4014: {
    canResume: false,
    permanent: {
      word: 'intents_disallowed',
      remedy: `Switch on "Message Content Intent" at ${PORTAL} → the app → Bot, then restart Konstruct.`,
    },
  },
};

/** @param code `null`: the connection broke without a word */
export function meaningOf(code: number | null): EndMeaning {
  return (code === null ? undefined : meanings[code]) ?? { canResume: true };
}
