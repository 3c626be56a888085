import { parseSlackRequest } from '../../src/channels/slack/parse.ts';
import { verifySlackRequest } from '../../src/channels/slack/verify.ts';
import { signedSlackRequest, slackFixture } from '../../test/support/slack-request.ts';

export interface SlackIngestFigures {
  readonly bodyBytes: number;
  readonly verifyMicroseconds: number;
  readonly parseMicroseconds: number;
}

/** CPU of checking and reading one Slack event, in µs: the part of an ack that is not database. */
export function measureSlackIngest(rounds = 20_000): SlackIngestFigures {
  const nowMs = 1_760_440_343_000;
  const request = signedSlackRequest(slackFixture('app-mention'), 'secret', nowMs);
  const verify = (): void => verifySlackRequest(request, 'secret', nowMs);
  const parse = (): void => {
    parseSlackRequest(request);
  };
  return {
    bodyBytes: request.body.length,
    verifyMicroseconds: cpuMicroseconds(verify, rounds),
    parseMicroseconds: cpuMicroseconds(parse, rounds),
  };
}

function cpuMicroseconds(work: () => void, rounds: number): number {
  for (let round = 0; round < rounds / 4; round += 1) work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds;
}

if (import.meta.main) console.table(measureSlackIngest());
