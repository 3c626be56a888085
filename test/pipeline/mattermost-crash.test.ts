import { afterEach, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import { expireLeases } from '../support/expire-leases.ts';
import {
  type MattermostInstallation,
  startMattermostInstallation,
} from '../support/mattermost/start-mattermost-installation.ts';
import { type ServeProcess, startServeProcess } from '../support/start-serve-process.ts';

let installation: MattermostInstallation;
const processes: ServeProcess[] = [];
afterEach(async () => {
  await Promise.all(processes.splice(0).map((serve) => serve.end('SIGKILL')));
  await installation.stop();
});

async function serve(): Promise<ServeProcess> {
  const started = await startServeProcess({ ...installation, slackApiUrl: 'http://127.0.0.1:9/api/' }, 'all');
  processes.push(started);
  return started;
}

it('a process that is killed loses nothing: the turn is finished in its place, and what was said meanwhile is answered once', {
  timeout: 90_000,
}, async () => {
  installation = await startMattermostInstallation({ start: false });
  const { server, model, mara, newChannel, texts, query } = installation;
  const [busy, quiet] = [newChannel(), newChannel()];
  const first = await serve();
  await until('it listens', () => server.isHeard(installation.ada), 20_000);
  model.respond(() => ({ text: 'Too slow.', delayMs: 60_000 }));
  await server.say(busy, { from: mara, text: '@ada hello' });
  await until('the placeholder is on record', async () => {
    const known = await query('select 1 from konstruct.deliveries where external_id is not null');
    return known.length === 1;
  });
  await first.end('SIGKILL');
  await expireLeases(installation, first);
  await until('its socket is gone', () => server.sockets === 0);
  await server.say(quiet, { from: mara, text: '@ada said to nobody' });
  model.respond(({ messages }) => `Heard: ${messages.at(-1)?.content}`);
  await serve();
  await until(
    'the missed one is answered',
    () => texts(quiet).some((text) => text.startsWith('Heard')),
    30_000,
  );
  await until(
    'the first one is answered',
    () => texts(busy).some((text) => text.startsWith('Heard')),
    40_000,
  );
  await installation.idle();
  expect(texts(busy)).toEqual(['Heard: Mara K: hello']);
  expect(texts(quiet)).toEqual(['Heard: Mara K: said to nobody']);
});
