import { describe, expect, it } from 'vitest';
import { parseSlackRequest } from '../parse.ts';
import { parseSocketMessage } from './parse-socket-message.ts';

function requestOf(message: unknown) {
  const parsed = parseSocketMessage(JSON.stringify(message));
  if (parsed.kind !== 'envelope') throw new Error(`It is ${parsed.kind}.`);
  return parsed.request;
}

describe('parseSocketMessage', () => {
  it('reads the hello', () => {
    const hello = { type: 'hello', num_connections: 2, connection_info: { app_id: 'A1' }, debug_info: {} };
    expect(parseSocketMessage(JSON.stringify(hello))).toEqual({ kind: 'hello', appId: 'A1', sockets: 2 });
    expect(parseSocketMessage('{"type":"hello"}')).toEqual({ kind: 'hello', appId: null, sockets: null });
  });

  it('reads why a socket ends', () => {
    expect(parseSocketMessage('{"type":"disconnect","reason":"refresh_requested"}')).toEqual({
      kind: 'disconnect',
      reason: 'refresh_requested',
    });
  });

  it('makes the request of an event that Slack would have sent over HTTP, with its repetition', () => {
    const payload = {
      type: 'event_callback',
      team_id: 'T1',
      event_id: 'Ev1',
      event: { type: 'app_home_opened' },
    };
    const message = {
      type: 'events_api',
      envelope_id: 'e1',
      payload,
      retry_attempt: 2,
      retry_reason: 'timeout',
    };
    const request = requestOf(message);
    expect(JSON.parse(request.body.toString())).toEqual(payload);
    expect(request.headers).toMatchObject({ 'x-slack-retry-num': '2', 'x-slack-retry-reason': 'timeout' });
    expect(requestOf({ ...message, retry_attempt: 0 }).headers).not.toHaveProperty('x-slack-retry-num');
  });

  it('makes requests of interactions and slash commands that are parsed as those that come over HTTP', () => {
    const payload = { type: 'block_actions', team: { id: 'T1' } };
    const interaction = parseSlackRequest(requestOf({ type: 'interactive', envelope_id: 'e1', payload }));
    expect(interaction).toMatchObject({
      events: [{ reason: 'interaction:other_action', account: { externalIds: ['T1'] } }],
    });
    const command = { command: '/ask', text: 'a & b = c', team_id: 'T1' };
    const parsed = parseSlackRequest(
      requestOf({ type: 'slash_commands', envelope_id: 'e2', payload: command }),
    );
    expect(parsed).toMatchObject({
      events: [{ reason: 'command_incomplete', account: { externalIds: ['T1'] } }],
    });
  });

  it('leaves alone what could not be written as a request, so that its listener never throws', () => {
    const deep = '['.repeat(20_000) + ']'.repeat(20_000);
    const event = `{"type":"events_api","envelope_id":"e","payload":{"event":${deep}}}`;
    expect(parseSocketMessage(event).kind).toBe('unknown');
    const payload = { text: { toString: 1, valueOf: 1 }, team_id: 'T1' };
    const command = requestOf({ type: 'slash_commands', envelope_id: 'e', payload });
    expect(command.body.toString()).toBe('text=&team_id=T1');
  });

  it.each(['', '[]', 'null', '{"type":"events_api","payload":{}}', '{"type":"new","envelope_id":"e"}'])(
    'neither fails on nor acks what it does not know: %s',
    (text) => {
      expect(parseSocketMessage(text).kind).toBe('unknown');
    },
  );
});
