import { createHmac } from 'node:crypto';
import { slackFixture } from '../../test/support/slack-request.ts';

export const SIGNING_SECRET = 'bench-signing-secret';
const WORKSPACES = 200;
/** Over which events are spread unless a measure wants all of them. */
const USUAL_WORKSPACES = 100;
const PEOPLE_PER_WORKSPACE = 3;

/** A workspace of the bench; what its numbers are is the same for all contenders. */
export interface BenchWorkspace {
  readonly id: string;
  readonly botUserId: string;
  readonly botToken: string;
}

export const workspaces: readonly BenchWorkspace[] = Array.from({ length: WORKSPACES }, (_, index) => {
  const number = String(index).padStart(4, '0');
  return { id: `T0BENCH${number}`, botUserId: `U0BENCHB${number}`, botToken: `xoxb-bench-${number}` };
});

/** A mention that begins a conversation, ready to be written to a socket. */
export interface SignedEvent {
  /** The message's `ts`: unique in the whole run, so the thread it begins names the event. */
  readonly threadId: string;
  readonly request: Buffer;
}

export interface EventSource {
  /** Signed now: Slack's signatures are good for five minutes. */
  make(count: number, spread?: 'usual' | 'all workspaces'): readonly SignedEvent[];
  /** The same event once more, as Slack repeats it. */
  again(event: SignedEvent): SignedEvent;
}

/**
 * Mentions of 1.6 kB (Slack's own shape, test/fixtures/slack/app-mention.json), spread over workspaces and over ten
 * channels in each, so that neither the limits per tenant nor Slack's pace per channel decide a measurement.
 */
export function createEventSource(): EventSource {
  const template = JSON.parse(slackFixture('app-mention')) as Record<string, unknown>;
  const templateEvent = template.event as Record<string, unknown>;
  const startedAtSeconds = Math.floor(Date.now() / 1_000);
  let made = 0;

  function makeOne(spread: number): SignedEvent {
    const number = made;
    made += 1;
    const workspace = workspaces[number % spread] as BenchWorkspace;
    const place = Math.floor(number / USUAL_WORKSPACES);
    const threadId = `${startedAtSeconds}.${String(number).padStart(6, '0')}`;
    const body = JSON.stringify({
      ...template,
      team_id: workspace.id,
      context_team_id: workspace.id,
      event: {
        ...templateEvent,
        user: `U0PERSON${place % PEOPLE_PER_WORKSPACE}`,
        text: `<@${workspace.botUserId}> question ${number}: how do we restart the importer after a failed night run?`,
        ts: threadId,
        event_ts: threadId,
        team: workspace.id,
        // A new set of ten every hundred places: Slack paces posts per channel, over the whole run.
        channel: `C0BENCH${Math.floor(place / 100)}X${place % 10}`,
      },
      event_id: `Ev0BENCH${number}`,
      authorizations: [
        {
          enterprise_id: null,
          team_id: workspace.id,
          user_id: workspace.botUserId,
          is_bot: true,
          is_enterprise_install: false,
        },
      ],
    });
    return { threadId, request: sign(body, '') };
  }

  return {
    make(count, spread = 'usual') {
      const over = spread === 'usual' ? USUAL_WORKSPACES : WORKSPACES;
      return Array.from({ length: count }, () => makeOne(over));
    },
    again({ threadId, request }) {
      const body = request.subarray(request.indexOf('\r\n\r\n') + 4).toString('utf8');
      return {
        threadId,
        request: sign(body, 'x-slack-retry-num: 1\r\nx-slack-retry-reason: http_timeout\r\n'),
      };
    },
  };
}

/** https://docs.slack.dev/authentication/verifying-requests-from-slack */
function sign(body: string, moreHeaders: string): Buffer {
  const timestamp = Math.floor(Date.now() / 1_000);
  const signature = createHmac('sha256', SIGNING_SECRET).update(`v0:${timestamp}:${body}`).digest('hex');
  return Buffer.from(
    `POST /slack/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nx-slack-request-timestamp: ${timestamp}\r\nx-slack-signature: v0=${signature}\r\n${moreHeaders}\r\n${body}`,
  );
}
