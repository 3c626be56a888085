import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import { expireLeases } from '../support/expire-leases.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';
import {
  mara,
  sharedApp,
  startTeamsInstallation,
  type TeamsInstallation,
} from '../support/teams/start-teams-installation.ts';
import type { Fault } from '../support/teams/start-teams-server.ts';
import type { Conversation } from '../support/teams/teams-world.ts';

let installation: TeamsInstallation;
const processes: ServeProcess[] = [];
beforeAll(async () => {
  installation = await startTeamsInstallation({ ratePerMinute: 10_000, streaming: 'native' }, null);
});
afterEach(async () => {
  const { teams } = installation;
  Object.assign(teams, { streamUpdates: 'taken', streamDeletions: 'taken' });
  teams.faults.length = 0;
  await Promise.all(processes.splice(0).map((serve) => serve.end('SIGKILL')));
});
afterAll(() => installation.stop());

async function serve(): Promise<ServeProcess> {
  const { teams } = installation;
  const started = await startServeProcess(
    { ...installation, slackApiUrl: 'http://127.0.0.1:9/api/' },
    'all',
    {
      TEAMS_API_URL: teams.apiUrl,
      TEAMS_LOGIN_URL: teams.loginUrl,
      TEAMS_OPENID_URL: teams.openIdUrl,
      TEAMS_APP_ID: sharedApp.appId,
      TEAMS_APP_PASSWORD: sharedApp.password,
    },
  );
  processes.push(started);
  installation.leadTo(started.url);
  return started;
}

const whole = 'Refunds take 14 days, and shipping is not refunded.';
async function* slowly(pieces: readonly string[], pauseMs: number): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece;
    await sleep(pauseMs);
  }
}

const has = (kind: string, chat: Conversation) =>
  installation.teams.calls.some(
    ({ conversationId, method, activity }) =>
      conversationId === chat.id && (method === kind || JSON.stringify(activity).includes(`"${kind}"`)),
  );

/** Kills the process when Teams has done, and told nobody of, what the fault says; then another takes over. */
async function killedAt(moment: Fault | 'streaming', pieces: readonly string[]): Promise<Conversation> {
  const { model, teams, newConversation, query } = installation;
  const chat = newConversation('personal');
  const first = await serve();
  if (moment !== 'streaming') teams.faults.push(moment);
  model.respondNext({ pieces: slowly(pieces, 700) });
  await teams.say(chat.id, { from: mara, text: 'what is the refund policy?' });
  await until('it has come so far', () =>
    moment === 'streaming' ? has('streaming', chat) : moment.remaining === 0,
  );
  await sleep(50); // it is done there
  await first.end('SIGKILL');
  await expireLeases(installation, first);
  teams.faults.length = 0;
  model.respond(() => whole);
  await serve();
  await until(
    'it is answered',
    async () => {
      const [turn] = await query('select status from konstruct.turns order by id desc limit 1');
      return turn?.status === 'answered';
    },
    40_000,
  );
  return chat;
}

const silent = (method: Fault['method'], streamType?: Fault['streamType']): Fault => ({
  method,
  kind: 'silent_after',
  remaining: 1,
  ...(streamType === undefined ? {} : { streamType }),
});
const before = (method: Fault['method'], streamType: Fault['streamType']): Fault => ({
  ...silent(method, streamType),
  kind: 'cut_before',
});
const words = (whole.match(/\S+\s*/g) ?? []) as string[];
/** Slow to begin, so that it is asked for piece by piece, and over soon. */
const brief = ['Refunds ', 'take ', '14 ', 'days.'];

describe('a process that is killed while Teams streams', () => {
  it.each([
    // An empty stream is left that nobody knows of; Teams ends it, and it holds no word.
    ['when the stream has begun', silent('POST', 'informative'), words, ['…', whole]],
    ['when the placeholder is gone', silent('DELETE'), words, ['…', whole]],
    ['when it is remembered, and not a word written', before('POST', 'streaming'), words, [whole]],
    ['while the answer is written', 'streaming' as const, words, [whole]],
    ['when the stream has ended', silent('POST', 'final'), brief, [whole]],
    ['when the answer stands there', silent('PUT'), brief, [brief.join('')]],
  ])('%s leaves one answer', { timeout: 90_000 }, async (_moment, at, pieces, expected) => {
    const chat = await killedAt(at, pieces);
    expect(installation.texts(chat).sort()).toEqual([...expected].sort());
  });

  it('leaves one answer, a new message, where Teams lets nobody change what it streams', {
    timeout: 90_000,
  }, async () => {
    installation.teams.streamUpdates = 'refused';
    const chat = await killedAt('streaming', words);
    expect(installation.texts(chat)).toEqual([whole]);
  });
});
