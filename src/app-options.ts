import type { FastifyInstance } from 'fastify';
import type { ChannelDefinition, PlatformSettings } from './core/channel-definition.ts';
import type { Cipher } from './core/cipher.ts';
import type { Clock } from './core/clock.ts';
import type { JourneyRecorder } from './core/journey.ts';
import type { Log } from './core/log.ts';
import type { ProviderKeys, ProviderLimits, ProviderName } from './core/model.ts';
import type { ChooseModel } from './core/model-choice.ts';
import type { RedisAddress } from './core/redis-address.ts';
import type { Tool } from './core/tool.ts';
import type { BusyBounds } from './router/watch-backlog.ts';
import type { MetricsRegistry } from './telemetry/create-metrics.ts';

/** What a process is told: by the command line from configuration, by tests in person. */
export interface AppOptions {
  readonly databaseUrl: string;
  /** Shares rate limits and the duplicate filter between gateways; absent: PostgreSQL does. */
  readonly redis?: RedisAddress | null;
  readonly role: 'all' | 'gateway' | 'worker';
  readonly host: string;
  readonly port: number;
  readonly cipher: Cipher;
  readonly slack: {
    readonly signingSecret: string | null;
    readonly apiUrl: string;
    /** Socket Mode: events are fetched with it; absent or `null`: Slack sends them. */
    readonly appToken?: string | null;
    /** `clientId` and `clientSecret`: people connect workspaces in their browser. */
    readonly values?: Readonly<Record<string, string>>;
  };
  /** What is set for other platforms, by channel. */
  readonly platforms?: Readonly<Record<string, PlatformSettings>>;
  /** The platforms there are: those of this version. */
  readonly channels?: readonly ChannelDefinition[];
  /** Where platforms reach us, without a slash at its end; absent: they cannot, so events are fetched where possible. */
  readonly publicUrl?: string | null;
  /** Where the built script of the web chat lies (`/widget.js`); absent or `null`: nowhere. */
  readonly widgetFile?: string | null;
  readonly providerKeys: ProviderKeys;
  /** How much this process asks of a provider at a time; absent: as much as comes. */
  readonly providerLimits?: Readonly<Partial<Record<ProviderName, ProviderLimits>>>;
  readonly workerConcurrency: number;
  readonly retentionDays: number;
  /** Turns of one tenant at a time over all workers, unless it has a number of its own; `null`: any number. */
  readonly tenantConcurrency?: number | null;
  /** From when on people are told that answers take a while; `null`: never. */
  readonly busy?: BusyBounds | null;
  readonly ledgerRetentionDays: number;
  readonly version: string;
  readonly log: Log;
  readonly journeys: JourneyRecorder;
  /** What `/metrics` reads; by default one without the process's own metrics. */
  readonly metrics?: MetricsRegistry;
  /** Chooses the model of single turns; absent: each asks the route of its agent. */
  readonly chooseModel?: ChooseModel;
  /** Tools beside those that are built in, for agents that name them. */
  readonly tools?: readonly Tool[];
  /** Adds pages and APIs of other parts to the HTTP server before it listens (simulator, portal). */
  readonly extend?: (server: FastifyInstance) => Promise<void>;
  readonly timing?: Partial<AppTiming>;
  readonly demoDelayMs?: number;
  /** Whether every connection is opened and has planned its queries before the first message; absent: yes. */
  readonly warmUp?: boolean;
  /** What the machine's clock says; tests may be elsewhere in time. */
  readonly wallClock?: Clock;
}

/** What tests and the impatient may want otherwise; ms. */
export interface AppTiming {
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly pollEveryMs: number;
  /** How often a gateway looks which tenants have a backlog. */
  readonly lookEveryMs: number;
  readonly modelRetryDelaysMs: readonly number[];
  readonly deliveryRetryDelaysMs: readonly number[];
  readonly apologyRetryMs: number;
  readonly modelAttemptMs: number;
  readonly modelTotalMs: number;
  /** How long a gateway that stops goes on taking requests, for load balancers to notice that it is not ready. */
  readonly stopGraceMs: number;
  /** How long turns under way may finish when a worker stops, before they are handed to others. */
  readonly stopDeadlineMs: number;
  readonly toolDeadlineMs: number;
  readonly answerGraceMs: number;
}

export const defaultTiming: AppTiming = {
  leaseMs: 15_000,
  renewEveryMs: 5_000,
  pollEveryMs: 1_000,
  lookEveryMs: 1_000,
  modelRetryDelaysMs: [2_000, 10_000, 30_000],
  deliveryRetryDelaysMs: [1_000, 5_000, 15_000, 30_000, 60_000, 120_000, 300_000, 300_000, 300_000, 300_000],
  apologyRetryMs: 300_000,
  modelAttemptMs: 60_000,
  modelTotalMs: 120_000,
  stopGraceMs: 0,
  stopDeadlineMs: 10_000,
  toolDeadlineMs: 60_000,
  answerGraceMs: 30_000,
};
