import type { RsaSigner } from '../rsa-signer.ts';

/** Google Chat as the stand-in knows it: apps, spaces and what was said in them. */
export interface ChatApp {
  readonly projectNumber: string;
  /** `users/…` as annotations name it. */
  readonly user: User;
  readonly email: string;
  readonly key: RsaSigner;
  /** The JSON key file of its service account. */
  readonly serviceAccount: string;
  /** Where its events go; `null`: nowhere. */
  endpoint: string | null;
  /** What its tokens are for: the project number, or the endpoint's address. */
  audience: string;
  isAddOn: boolean;
}

export interface User {
  readonly name: string;
  readonly displayName: string;
  readonly type: 'HUMAN' | 'BOT';
}

export interface Message {
  readonly id: string;
  readonly clientId: string | null;
  readonly sender: User;
  readonly threadId: string;
  readonly isReply: boolean;
  text: string;
  cards: readonly Readonly<Record<string, unknown>>[];
  /** Only this person sees it. */
  readonly viewer: string | null;
  edits: number;
}

export interface Space {
  readonly id: string;
  readonly type: 'SPACE' | 'GROUP_CHAT' | 'DIRECT_MESSAGE';
  /** Project numbers of the apps in it. */
  readonly apps: Set<string>;
  readonly messages: Map<string, Message>;
}

/** What the API says no with. */
export class ApiRefusal extends Error {
  readonly code: number;
  readonly status: string;

  constructor(code: number, status: string, message: string) {
    super(message);
    this.code = code;
    this.status = status;
  }
}
