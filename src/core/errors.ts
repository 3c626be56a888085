/**
 * Every error a caller, an operator or the person in the chat can meet, in one table: nobody matches on text.
 * `docs/errors.md` is tested against it.
 *
 * `status` is the HTTP status where the error reaches HTTP; `retryable` says whether the same attempt can succeed
 * later without anybody changing anything; `remedy` says what to do.
 */
export const errorTable = {
  config_invalid: {
    status: 500,
    retryable: false,
    meaning: 'The configuration has problems; all of them are listed at once.',
    remedy: 'Correct the named variables or lines and start again.',
  },
  usage_invalid: {
    status: 400,
    retryable: false,
    meaning: 'A command was called in a way it does not understand.',
    remedy: 'Run the command with --help.',
  },
  signature_missing: {
    status: 401,
    retryable: false,
    meaning: 'The request carries no signature or timestamp header.',
    remedy: 'Only the platform may call this path; check which URL the platform was given.',
  },
  signature_invalid: {
    status: 401,
    retryable: false,
    meaning: 'The signature does not fit the body and the signing secret.',
    remedy: 'Compare the signing secret with the one the platform shows for the app.',
  },
  signature_expired: {
    status: 401,
    retryable: false,
    meaning: 'The signed timestamp is more than 300 s away from this machine’s clock.',
    remedy: 'Check the clock of this machine; a replayed request is refused on purpose.',
  },
  signing_secret_missing: {
    status: 401,
    retryable: false,
    meaning: 'No signing secret is configured, so no request of this platform can be trusted.',
    remedy: 'Set the platform’s signing secret (Slack: SLACK_SIGNING_SECRET) or give the connection its own.',
  },
  lookups_exhausted: {
    status: 503,
    retryable: true,
    meaning: 'So many requests name connections that nobody knows that this one was not looked up.',
    remedy: 'Nothing; platforms repeat it. If it goes on, keep whoever sends them away from these paths.',
  },
  body_malformed: {
    status: 400,
    retryable: false,
    meaning: 'The body is not what the platform’s protocol prescribes (for example, not JSON).',
    remedy: 'Check that nothing between the platform and Konstruct rewrites requests.',
  },
  body_too_large: {
    status: 413,
    retryable: false,
    meaning: 'The body is larger than 1 MiB (WhatsApp: 3 MiB).',
    remedy: 'No supported platform sends such a body; check what calls this path.',
  },
  origin_refused: {
    status: 403,
    retryable: false,
    meaning: 'A page asked for a web chat whose connection does not name the page’s site.',
    remedy:
      'Name the site under `settings.allowedOrigins` of the connection, as the browser does: https://www.example.com.',
  },
  rate_limited: {
    status: 429,
    retryable: true,
    meaning: 'A visitor of a web chat sends, or connects, more often than one person does.',
    remedy: 'Wait as long as Retry-After says.',
  },
  not_found: {
    status: 404,
    retryable: false,
    meaning: 'There is nothing at this path, or no such record for this tenant.',
    remedy: 'Check the path or the name.',
  },
  database_unavailable: {
    status: 503,
    retryable: true,
    meaning: 'PostgreSQL did not answer or refused the connection.',
    remedy: 'Check DATABASE_URL and the server; platforms retry, so nothing is lost meanwhile.',
  },
  database_outdated: {
    status: 503,
    retryable: false,
    meaning: 'The database schema does not fit this version of Konstruct.',
    remedy: 'Run `konstruct migrate` with the newest version that uses this database.',
  },
  database_in_use: {
    status: 409,
    retryable: false,
    meaning: 'Konstruct is running on the database that should be replaced.',
    remedy: 'Stop all its processes (`konstruct dev`, `konstruct serve`), then run the command again.',
  },
  database_not_empty: {
    status: 409,
    retryable: false,
    meaning: 'The database that a backup should be restored into has data already.',
    remedy: 'Restore into an empty database; or say --force, and what is there is replaced.',
  },
  backup_unreadable: {
    status: 400,
    retryable: false,
    meaning: 'A file is no backup of Konstruct, or it is damaged or was cut off.',
    remedy: 'Use another backup; nothing was changed.',
  },
  data_dir_in_use: {
    status: 500,
    retryable: false,
    meaning: 'Another Konstruct process already runs on this data folder.',
    remedy: 'Stop the other process or set KONSTRUCT_DATA_DIR to another folder.',
  },
  embedded_database_failed: {
    status: 500,
    retryable: false,
    meaning: 'The embedded PostgreSQL could not be prepared or started.',
    remedy: 'Read the named log file; or set DATABASE_URL to a PostgreSQL server of yours.',
  },
  port_in_use: {
    status: 500,
    retryable: false,
    meaning: 'The TCP port Konstruct should listen on is taken.',
    remedy: 'Stop what listens there or set PORT.',
  },
  address_unusable: {
    status: 500,
    retryable: false,
    meaning: 'Konstruct cannot listen on the host and port that it was given.',
    remedy:
      'Set HOST to an address of this machine and PORT to one that this user may take; ordinary users often may not below 1024.',
  },
  disk_full: {
    status: 503,
    retryable: true,
    meaning: 'The disk is full, so PostgreSQL cannot store anything.',
    remedy: 'Free some space; platforms retry, so what was not acked comes again.',
  },
  credentials_unreadable: {
    status: 500,
    retryable: false,
    meaning: 'Stored credentials cannot be decrypted with the master key for this tenant and connection.',
    remedy:
      'Set KONSTRUCT_MASTER_KEY to the key they were stored under; if it is lost, apply them again with --replace-unreadable.',
  },
  credentials_replaced: {
    status: 503,
    retryable: true,
    meaning: 'The platform refused credentials that have been replaced since the work with them began.',
    remedy: 'Nothing; the turn goes on with the new ones.',
  },
  platform_rejected: {
    status: 502,
    retryable: false,
    meaning: 'The platform refused the call (for example a revoked token or a channel the bot is not in).',
    remedy: 'Run `konstruct doctor`; the platform’s own error code is in the details.',
  },
  platform_rate_limited: {
    status: 503,
    retryable: true,
    meaning: 'The platform asked to slow down.',
    remedy: 'Nothing; the delivery is repeated after the time the platform named.',
  },
  platform_unavailable: {
    status: 503,
    retryable: true,
    meaning:
      'The platform could not be reached or failed; whether it did the work is unknown when `outcomeUnknown` is set.',
    remedy: 'Nothing; the delivery looks for its own marker and is repeated.',
  },
  attachment_too_large: {
    status: 413,
    retryable: false,
    meaning: 'A file is larger than what is read or sent.',
    remedy: 'Send a smaller file, or a part of it.',
  },
  platform_window_closed: {
    status: 422,
    retryable: false,
    meaning:
      'The platform lets us answer for a limited time only (WhatsApp: 24 hours after the person wrote), and it is over.',
    remedy:
      'When the person has written again, replay the dead letter; answers that come so late have another cause, which the log names.',
  },
  delivery_uncertain: {
    status: 502,
    retryable: false,
    meaning:
      'An answer may or may not have reached the platform, and the platform cannot be asked (Telegram): it is not sent twice.',
    remedy: 'Look into the chat; if the answer is not there, replay the dead letter.',
  },
  model_unavailable: {
    status: 503,
    retryable: true,
    meaning: 'No model of the route answered.',
    remedy: 'Run `konstruct doctor` to check the model keys and addresses of the route.',
  },
  model_rejected: {
    status: 502,
    retryable: false,
    meaning: 'Every model of the route refused the request for a reason that a retry does not change.',
    remedy: 'Run `konstruct doctor`; check the model names, keys and account of the route.',
  },
  turn_interrupted: {
    status: 409,
    retryable: false,
    meaning: 'The turn was stopped, has lost its messages or began anew while the agent worked on it.',
    remedy: 'Nothing: people in the thread wanted it so.',
  },
  budget_exhausted: {
    status: 402,
    retryable: false,
    meaning: 'A budget does not allow the next model call: its worst case would overrun the limit.',
    remedy: 'Wait until the budget begins anew, or raise it in konstruct.yaml and run `konstruct apply`.',
  },
  route_unknown: {
    status: 500,
    retryable: false,
    meaning: 'An agent names a model route that does not exist.',
    remedy: 'Add the route to konstruct.yaml and run `konstruct apply`, or give the agent another route.',
  },
  dead_letter_closed: {
    status: 409,
    retryable: false,
    meaning: 'The turn is no dead letter, or no longer one: it was answered, replayed or discarded.',
    remedy: 'Run `konstruct dead-letters list` to see those there are.',
  },
  replay_impossible: {
    status: 409,
    retryable: false,
    meaning: 'A dead letter cannot be replayed: its connection is disabled, or its messages are gone.',
    remedy:
      'Enable the connection (`konstruct doctor` says why it is disabled) and replay again, or discard it.',
  },
  lease_lost: {
    status: 409,
    retryable: false,
    meaning: 'Another worker took over the conversation; this one may no longer commit.',
    remedy: 'Nothing; the other worker goes on.',
  },
  internal: {
    status: 500,
    retryable: true,
    meaning: 'Something went wrong that nobody foresaw: a defect of Konstruct.',
    remedy: 'Look for the log line of this request or turn and report it.',
  },
  aborted: {
    status: 499,
    retryable: true,
    meaning: 'The work was cancelled, for example by a shutdown.',
    remedy: 'Nothing; it goes on elsewhere or after the restart.',
  },
} as const satisfies Record<string, ErrorEntry>;

interface ErrorEntry {
  readonly status: number;
  readonly retryable: boolean;
  readonly meaning: string;
  readonly remedy: string;
}

export type ErrorCode = keyof typeof errorTable;

export interface KonstructErrorOptions {
  /** Facts for logs and operators. Never a secret, never the text of a message. */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
  /** How long to wait before the next attempt, in ms, when the other side said so. */
  readonly retryAfterMs?: number;
}

/** The one error class of the project: the code says what happened, the table says what follows from it. */
export class KonstructError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly remedy: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, message?: string, options: KonstructErrorOptions = {}) {
    const entry = errorTable[code];
    super(message ?? entry.meaning, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'KonstructError';
    this.code = code;
    this.status = entry.status;
    this.retryable = entry.retryable;
    this.remedy = entry.remedy;
    this.details = options.details ?? {};
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export function isKonstructError(error: unknown, code?: ErrorCode): error is KonstructError {
  return error instanceof KonstructError && (code === undefined || error.code === code);
}
