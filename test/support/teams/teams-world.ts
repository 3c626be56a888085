/** Microsoft Teams as the stand-in knows it: apps, conversations and what was said in them. */
export interface TeamsApp {
  readonly appId: string;
  password: string;
  /** Single-tenant apps get their tokens of their own tenant only. */
  readonly tenantId: string | null;
  /** Where its activities go; `null`: nowhere. */
  endpoint: string | null;
  readonly name: string;
}

export interface Person {
  readonly id: string;
  readonly name: string;
}

export interface Message {
  readonly id: string;
  readonly from: Person;
  /** As it was sent; of a card the text in it. */
  text: string;
  /** What people read of it. */
  shown: string;
  card: Card | null;
  /** The post it stands below; its own id if it is one; `null` outside channels. */
  readonly rootId: string | null;
  edits: number;
  /** It is, or was, streamed. */
  stream?: StreamState;
}

export interface StreamState {
  /** `stopped`: by a person; `over`: its two minutes are. */
  state: 'open' | 'final' | 'stopped' | 'over';
  sequence: number;
  /** Of the answer, and not of informative updates. */
  streamed: string;
  readonly begunAtMs: number;
  lastAtMs: number;
}

export interface Card {
  readonly text: string;
  readonly actions: readonly { readonly title: string; readonly data: Readonly<Record<string, unknown>> }[];
}

export interface Conversation {
  readonly id: string;
  readonly type: 'personal' | 'groupChat' | 'channel';
  readonly tenantId: string;
  /** Ids of the apps that are in it. */
  readonly roster: Set<string>;
  readonly messages: Map<string, Message>;
  typing: number;
}

/** What the Bot Connector says no with. */
export class ConnectorRefusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  get body(): unknown {
    if (this.status === 401) return { message: 'Authorization has been denied for this request.' };
    return { error: { code: this.code, message: this.message } };
  }
}
