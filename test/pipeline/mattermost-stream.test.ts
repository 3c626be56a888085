import { afterEach, beforeEach, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { until } from '../support/conversation.ts';
import {
  type MattermostInstallation,
  startMattermostInstallation,
} from '../support/mattermost/start-mattermost-installation.ts';
import { callTools } from '../support/tool-calls.ts';

let installation: MattermostInstallation;
beforeEach(async () => {
  installation = await startMattermostInstallation({ start: false });
});
afterEach(() => installation.stop());

it('what people wrote while nothing ran is answered after the start, once; what they wrote before that is not', async () => {
  const { server, model, mara, newChannel, startApp, texts } = installation;
  const channel = newChannel();
  await server.say(channel, { from: mara, text: '@ada long before there was a Konstruct' });
  const first = await startApp();
  model.respond(() => 'One.');
  await installation.answerTo(await server.say(channel, { from: mara, text: '@ada one' }));
  await installation.idle();
  await first.stop();
  model.respond(() => 'Two.');
  await server.say(channel, { from: mara, text: '@ada two' });
  await startApp();
  await until('it is answered', () => texts(channel).includes('Two.'));
  await installation.idle();
  expect(texts(channel)).toEqual(['One.', 'Two.']);
  expect(model.requests).toHaveLength(2);
});

it('of two processes one listens; when it goes the other takes over, and nothing is lost or answered twice', async () => {
  const { server, globex, model, mara, newChannel, startApp, texts } = installation;
  const channel = newChannel();
  const first: App = await startApp();
  const second = await startApp();
  expect([server.sockets, globex.sockets]).toEqual([1, 1]);
  model.respond(({ messages }) => `Heard: ${messages.at(-1)?.content}`);
  await server.say(channel, { from: mara, text: '@ada one' });
  await until('it is answered', () => texts(channel).includes('Heard: Mara K: one'));
  const leaving = first.stop();
  await server.say(channel, { from: mara, text: '@ada two' });
  await leaving;
  await server.say(channel, { from: mara, text: '@ada three' });
  await until('all are answered', () => texts(channel).includes('Heard: Mara K: three'));
  await until('the other listens', () => server.sockets === 1 && globex.sockets === 1);
  await installation.idle();
  expect(texts(channel).sort()).toEqual(['one', 'three', 'two'].map((text) => `Heard: Mara K: ${text}`));
  await second.stop();
});

it('a token that is revoked disables its connection, and no other', async () => {
  const { server, globex, startApp, query, log } = installation;
  await startApp();
  const [token] = server.world.tokens.keys();
  server.revoke(token ?? '');
  await until('it is known', () => log.lines.some(({ event }) => event === 'connection.disabled'));
  expect(await query('select status from konstruct.connections order by external_id')).toEqual(
    expect.arrayContaining([{ status: 'active' }, { status: 'disabled' }]),
  );
  expect(globex.sockets).toBe(1);
  expect(JSON.stringify(log.lines)).not.toContain(token);
});

it('without a public address choices are written out, and everything else works', async () => {
  const { server, model, mara, newChannel, startApp } = installation;
  await startApp({ publicUrl: null });
  const channel = newChannel('D');
  model.respondNext(callTools(['offer_choices', { choices: ['Monday', 'Tuesday'] }]), 'Which day?');
  const answer = await installation.answerTo(await server.say(channel, { from: mara, text: 'when?' }));
  await installation.idle();
  expect(answer.message).toBe('Which day?\n\n1. Monday\n2. Tuesday');
  expect(answer.props.attachments).toBeUndefined();
});
