/** A company; the unit of isolation. */
export interface Tenant {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
}

/** What may be spent on models in a day and in a month of the tenant's time zone; `null`: no limit. */
export interface Budget {
  readonly dailyUsd: number | null;
  readonly monthlyUsd: number | null;
  /** Input and output together. */
  readonly dailyTokens: number | null;
  readonly monthlyTokens: number | null;
}

export const noBudget: Budget = { dailyUsd: null, monthlyUsd: null, dailyTokens: null, monthlyTokens: null };

/** An AI coworker: who it is and how it works. */
export interface Agent {
  readonly id: string;
  readonly tenantId: string;
  readonly slug: string;
  readonly name: string;
  readonly role: string;
  readonly persona: string;
  readonly instructions: string;
  /** Name of the model route that answers for it. */
  readonly route: string;
  /** What stands in the thread while the agent works. */
  readonly placeholder: string;
  /** Shown with its name where the platform can: an https address, or an emoji (`:owl:`); `null`: the app's own. */
  readonly icon?: string | null;
  readonly busyMode: BusyMode;
  /** Names of the tools it may use; absent or `null`: all that are built in. */
  readonly tools?: readonly string[] | null;
  readonly limits?: TurnLimits;
  /** Absent where it is of no concern: the gate before each call looks it up itself. */
  readonly budget?: Budget;
}

/** How much one turn may take; absent values take the defaults of `turnLimitDefaults`. */
export interface TurnLimits {
  /** Model calls, the one that answers among them. */
  readonly maxSteps?: number;
  readonly maxToolCalls?: number;
  /** Seconds of work, all attempts together; waiting between them does not count. */
  readonly maxTurnSeconds?: number;
  /** US dollars for all model calls together; the gate before each call sees to it. */
  readonly maxTurnUsd?: number | null;
}

export const turnLimitDefaults = {
  maxSteps: 20,
  maxToolCalls: 40,
  maxTurnSeconds: 600,
  maxTurnUsd: null,
} as const satisfies Required<TurnLimits>;

/**
 * What happens to messages that come in while the agent works: they wait for its next turn, join the turn between two
 * of its steps, or make it begin anew with all of them.
 */
export type BusyMode = 'queue' | 'steer' | 'interrupt';
export const busyModes = ['queue', 'steer', 'interrupt'] as const satisfies readonly BusyMode[];

/** Per-connection settings; absent values take the defaults of `connectionDefaults`. */
export interface ConnectionSettings {
  /** Accepted messages per minute and burst size. */
  readonly ratePerMinute?: number;
  /** How long the agent follows a thread after its last reply. */
  readonly followMinutes?: number;
  /** How long after the answer an edit of the question makes the agent look again; 0: never. */
  readonly editWindowMinutes?: number;
  /** Whether an answer goes when all that it answers was deleted. */
  readonly onDeletion?: 'keep' | 'retract';
  /**
   * What an answer is sent by that comes too late for free words (WhatsApp: after 24 hours): a template of the platform
   * with one variable in its text, and its language: `late_answer/en`. Absent: such an answer is a dead letter.
   */
  readonly template?: string;
  /** Whether answers are shown while they are written, where the platform can do that. */
  readonly streaming?: boolean | 'native';
  /** Messages that consist of one of these and nothing else stop the agent. */
  readonly stopWords?: readonly string[];
  /** Of a web chat: the sites that may show it, each as a browser names it: `https://www.example.com`. */
  readonly allowedOrigins?: readonly string[];
  /** Of a web chat: whether it takes visitors for whom the site does not vouch. */
  readonly allowAnonymous?: boolean;
  /** Of a web chat: what stands at its top instead of the agent's name. */
  readonly title?: string;
  /** Of a web chat: what stands there before anybody has said anything. */
  readonly greeting?: string;
  /** It belongs to the simulator of `konstruct dev`: no platform has heard of it. */
  readonly simulated?: boolean;
  /** What whoever opens a conversation is offered to ask, where the platform shows such. */
  readonly suggestedPrompts?: readonly string[];
}

export const connectionDefaults = {
  ratePerMinute: 30,
  followMinutes: 30,
  editWindowMinutes: 10,
  onDeletion: 'keep',
  suggestedPrompts: ['What can you help me with?', 'What did we talk about last?'],
  streaming: true,
  stopWords: ['stop', 'stopp', 'arrêt', 'arrête', 'para', 'detente', 'fermati', 'стоп', '停止', 'ストップ'],
} as const;

/** One installed bot on one platform for one tenant. Credentials are held encrypted, see `core/cipher.ts`. */
export interface Connection {
  readonly id: string;
  readonly tenantId: string;
  readonly agentId: string;
  readonly channel: string;
  /** The platform's id of the installation (Slack: workspace `T…` or organisation `E…`). */
  readonly externalId: string;
  /** The platform's id of the bot user (Slack: `U…`), empty until it is known. */
  readonly agentUserId: string;
  /** The platform's id of the app (Slack: `A…`); empty: any app. */
  readonly appId: string;
  readonly status: 'active' | 'disabled';
  readonly settings: ConnectionSettings;
}

/** Decrypted credentials of a connection, by name (Slack: `botToken`, `signingSecret`). Never logged, never returned. */
export type Credentials = Readonly<Record<string, string>>;
