/** The stages a message passes, in order; `failed` ends a journey early. */
export type JourneyStage =
  | 'received'
  | 'verified'
  | 'resolved'
  | 'admitted'
  | 'claimed'
  | 'placeholder'
  | 'model'
  | 'committed'
  | 'delivered'
  | 'failed';

/** Names a message across the pipeline: installation, channel and message as the platform calls them. */
export interface JourneyKey {
  readonly externalId: string;
  readonly channelId: string;
  readonly messageId: string;
  /** The thread the answer stands in. */
  readonly threadId: string | null;
}

/** Follows single messages through the stages, for development; production records nothing. */
export interface JourneyRecorder {
  /** @param atMs when the stage ended, ms since 1970 with fractions; @param durationMs how long it took */
  mark(key: JourneyKey, stage: JourneyStage, atMs: number, durationMs?: number | null, detail?: string): void;
}
