import type { Kysely } from 'kysely';
import type { Config } from '../../config.ts';
import type { Channel } from '../../core/channel.ts';
import type { Cipher } from '../../core/cipher.ts';
import type { Clock } from '../../core/clock.ts';
import type { Database } from '../../db/schema.ts';

/** One thing that `konstruct doctor` looked at. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem';
  /** What was found, as one sentence. Never holds a secret. */
  readonly text: string;
  /** What to do about it; `null` when nothing is to be done. */
  readonly remedy: string | null;
}

/** What all checks may use. Parts that could not be opened are `null`: what needs them is left out. */
export interface DoctorContext {
  readonly config: Config;
  /** `null`: not reachable, or not migrated. */
  readonly database: Kysely<Database> | null;
  /** The database's url whether or not it is reachable; `null`: none could be started. Holds a secret. */
  readonly databaseUrl: string | null;
  readonly cipher: Cipher | null;
  readonly channels: ReadonlyMap<string, Channel>;
  /** Whether the installation has a secret that a channel's connections share. */
  readonly hasSharedSecret: (channel: string) => boolean;
  /** Where a platform should send a connection's events; `null`: it cannot, or it is told so by people. */
  readonly webhookUrl: (channel: string, connectionId: string) => string | null;
  /** Where the script of web chats lies once it is built. */
  readonly widgetFile: string;
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** A part of the installation and how it is looked at. A new check is its file and a line in `checks.ts`. */
export interface Check {
  /** Heading of its findings: `Database`. */
  readonly name: string;
  /** Throws only what is a defect: whatever can be wrong is a finding. No findings: there is nothing to look at. */
  run(context: DoctorContext): Promise<readonly Finding[]>;
}

/** Deadline of one request that a check makes, in ms. */
export const CHECK_TIMEOUT_MS = 8_000;

export function ok(text: string): Finding {
  return { level: 'ok', text, remedy: null };
}

export function warning(text: string, remedy: string): Finding {
  return { level: 'warning', text, remedy };
}

export function problem(text: string, remedy: string): Finding {
  return { level: 'problem', text, remedy };
}

/** The finding for an error of ours: what it says and what its table says to do. */
export function problemOf(error: unknown, what: string): Finding {
  const { message, remedy } = error as { message?: string; remedy?: string };
  return problem(
    `${what}: ${message ?? String(error)}`,
    remedy ?? 'Run it again with --verbose to see where it comes from.',
  );
}
