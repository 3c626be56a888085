import { createHmac } from 'node:crypto';

/** What the stand-in knows of WhatsApp: numbers, the people who write to them, and files. Shapes as in the Cloud API. */
export interface NumberSeed {
  readonly phoneNumberId: string;
  readonly displayNumber: string;
  readonly verifiedName: string;
  readonly token: string;
  /** Of the app at Meta that the number's webhooks are signed by. */
  readonly appSecret: string;
}

export interface Person {
  /** Digits; absent: hidden behind a username. */
  readonly phone?: string;
  readonly userId: string;
  readonly name: string;
}

/** A message of a number, as a person sees it. */
export interface Shown {
  readonly id: string;
  readonly phoneNumberId: string;
  /** Phone or user id, as the message was addressed. */
  readonly to: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly marker: string | null;
}

export interface MediaFile {
  readonly content: Buffer;
  readonly mediaType: string;
}

export interface BusinessNumber extends Omit<NumberSeed, 'appSecret' | 'token'> {
  token: string;
  appSecret: string;
  /** People it may write to: in development these are listed at Meta. */
  readonly people: Person[];
  /** When a person last wrote, in ms since 1970: free words may be sent for 24 hours. */
  readonly lastHeardMs: Map<string, number>;
  /** Reactions that stand on messages, by message. */
  readonly reactions: Map<string, string>;
  /** Messages of people that show that an answer is being written. */
  readonly typing: string[];
  readonly incoming: Set<string>;
  /** Templates that were approved, by name and language: `late_answer/en`. Their text is one variable. */
  readonly templates: Set<string>;
  revoked: boolean;
  /** Where its messages are posted; empty: nowhere. */
  webhookUrl: string;
  status: string;
  qualityRating: string;
  /** What its token may do, and until when (in seconds since 1970; 0: for ever). */
  scopes: readonly string[];
  tokenExpiresAt: number;
  /** Whether the app hears of the number's account. */
  isSubscribed: boolean;
}

/** An error in Graph's own shape. */
export class GraphRefusal extends Error {
  readonly status: number;
  readonly code: number;
  readonly subcode: number | undefined;
  readonly details: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: number,
    title: string,
    details: string,
    options: { readonly subcode?: number; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(`(#${code}) ${title}`);
    this.status = status;
    this.code = code;
    this.details = details;
    this.subcode = options.subcode;
    this.headers = options.headers ?? {};
  }

  toJson(): Readonly<Record<string, unknown>> {
    return {
      error: {
        message: this.message,
        type: 'OAuthException',
        code: this.code,
        ...(this.subcode === undefined ? {} : { error_subcode: this.subcode }),
        error_data: { messaging_product: 'whatsapp', details: this.details },
        fbtrace_id: 'A0stand1in2trace',
      },
    };
  }
}

export const invalidParameter = (details: string): GraphRefusal =>
  new GraphRefusal(400, 100, 'Invalid parameter', details);

export function createNumber(seed: NumberSeed): BusinessNumber {
  return {
    ...seed,
    people: [],
    lastHeardMs: new Map(),
    reactions: new Map(),
    typing: [],
    incoming: new Set(),
    templates: new Set(),
    revoked: false,
    webhookUrl: '',
    status: 'CONNECTED',
    qualityRating: 'GREEN',
    scopes: ['whatsapp_business_management', 'whatsapp_business_messaging', 'public_profile'],
    tokenExpiresAt: 0,
    isSubscribed: true,
  };
}

export function signed(body: string | Buffer, appSecret: string): Readonly<Record<string, string>> {
  const signature = createHmac('sha256', appSecret).update(body).digest('hex');
  return { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` };
}

/** As it stands in every change of a webhook. */
export function metadataOf({
  phoneNumberId,
  displayNumber,
}: Pick<NumberSeed, 'phoneNumberId' | 'displayNumber'>): Readonly<Record<string, string>> {
  return { display_phone_number: displayNumber.replaceAll(/\D/g, ''), phone_number_id: phoneNumberId };
}

export function contactOf({ name, phone, userId }: Person): Readonly<Record<string, unknown>> {
  return {
    profile: { name },
    ...(phone === undefined ? {} : { wa_id: phone }),
    user_id: userId,
  };
}
