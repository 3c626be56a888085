import type { PlatformSettings } from '../../src/core/channel-definition.ts';
import type { ConnectionSettings, Credentials } from '../../src/core/tenant.ts';

/** Many companies on one platform's stand-in, each with one connection and one person who writes to its agent. */
export interface Crowd {
  readonly channel: string;
  readonly companies: readonly CompanyOfCrowd[];
  readonly platform: PlatformSettings;
  /** The app listens now; connection ids in the order of the companies. */
  lead(url: string, connectionIds: readonly string[]): Promise<void>;
  /** Whether a company's events can come by now; where the app has to fetch them that takes a moment. */
  isReached(company: number): boolean;
  /** The company's person writes. */
  say(company: number, text: string): Promise<unknown>;
  /** How many messages of the agent stand before the company's person that hold this text. */
  shown(company: number, text: string): number;
  close(): Promise<unknown>;
}

export interface CompanyOfCrowd {
  readonly externalId: string;
  readonly credentials: Credentials;
  readonly settings?: ConnectionSettings;
  /** Who the agent is on the platform, where nobody can be asked. */
  readonly agentUserId?: string;
}

export type StartCrowd = (companies: number) => Promise<Crowd>;

export function range(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Of a list that is known to be that long. */
export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`There is no company ${index}.`);
  return item;
}
