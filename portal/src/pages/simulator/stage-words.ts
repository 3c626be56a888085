import type { JourneyStage } from '../../../../src/simulator/control-api.ts';

export type StageName = Exclude<JourneyStage['stage'], 'failed'>;

/** Which part of Konstruct does the work; gives the bar its colour. */
type Phase = 'gateway' | 'router' | 'queue' | 'agent' | 'delivery';

export interface StageWords {
  readonly label: string;
  readonly explanation: string;
  readonly phase: Phase;
}

/** The stages in the order in which a message meets them, in words for somebody who sees them for the first time. */
export const stageWords: Readonly<Record<StageName, StageWords>> = {
  received: {
    label: 'Received',
    explanation: 'Slack’s request with the message reached the gateway.',
    phase: 'gateway',
  },
  verified: {
    label: 'Signature checked',
    explanation: 'The signature proves that Slack sent it and nobody changed it on the way.',
    phase: 'gateway',
  },
  resolved: {
    label: 'Company found',
    explanation: 'The workspace tells which company and which coworker the message is for.',
    phase: 'router',
  },
  admitted: {
    label: 'Stored safely',
    explanation:
      'Written to the database in one transaction. Only now Slack is told “got it”, so nothing is ever lost.',
    phase: 'router',
  },
  claimed: {
    label: 'Picked up',
    explanation:
      'A worker took the conversation. Nobody else works on it, so it is answered once and in order.',
    phase: 'queue',
  },
  placeholder: {
    label: '“Thinking…” shown',
    explanation: 'A first sign of life in the thread, to be replaced by the answer.',
    phase: 'delivery',
  },
  model: {
    label: 'Model answered',
    explanation: 'The language model wrote the answer. Usually nearly all of the time goes here.',
    phase: 'agent',
  },
  committed: {
    label: 'Answer stored',
    explanation:
      'The answer is in the database before it is sent: a crash from here on cannot lose or double it.',
    phase: 'agent',
  },
  delivered: {
    label: 'Delivered',
    explanation: '“Thinking…” was replaced by the answer in Slack.',
    phase: 'delivery',
  },
};

export const stageNames = [
  'received',
  'verified',
  'resolved',
  'admitted',
  'claimed',
  'placeholder',
  'model',
  'committed',
  'delivered',
] as const satisfies readonly StageName[];
