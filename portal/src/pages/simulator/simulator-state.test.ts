import { describe, expect, it } from 'vitest';
import type {
  ControlEvent,
  ControlMessage,
  DeliveryAttempt,
  Journey,
} from '../../../../src/simulator/control-api.ts';
import { threadReplies, topLevelMessages } from './message-store.ts';
import { emptySimulator, reduceSimulator, type SimulatorState } from './simulator-state.ts';

const channel = { workspaceId: 'T1', channelId: 'C1' };

function message(messageId: string, changes: Partial<ControlMessage> = {}): ControlMessage {
  return {
    ...channel,
    messageId,
    threadId: null,
    userId: 'U1',
    userName: 'Mara',
    isAgent: false,
    text: messageId,
    plainText: messageId,
    markdown: null,
    buttons: [],
    notes: [],
    sentAtMs: 0,
    editedAtMs: null,
    replyCount: 0,
    replyUserIds: [],
    latestReplyId: null,
    reactions: [],
    files: [],
    visibleToUserId: null,
    metadata: null,
    ...changes,
  };
}

function after(state: SimulatorState, ...events: readonly ControlEvent[]): SimulatorState {
  return events.reduce(
    (before, event) => reduceSimulator(before, { type: 'event', event, receivedAtMs: 1000 }),
    state,
  );
}

function withPage(
  state: SimulatorState,
  sinceStep: number,
  messages: readonly ControlMessage[],
  options: { readonly hasMore?: boolean; readonly threadId?: string; readonly before?: string } = {},
): SimulatorState {
  const { hasMore = false, threadId = null, before = null } = options;
  return reduceSimulator(state, {
    type: 'page',
    channel,
    loaded: { page: { messages, hasMore }, threadId, before, sinceStep },
  });
}

function shown(state: SimulatorState, viewerId = 'U1'): readonly string[] {
  return topLevelMessages(state.stores['T1/C1'] ?? {}, viewerId).map(({ message: { text } }) => text);
}

describe('reduceSimulator', () => {
  it('keeps what events brought while a page was on its way', () => {
    const asked = after(emptySimulator, { type: 'message.posted', message: message('1') });
    const meanwhile = after(
      asked,
      { type: 'message.changed', message: message('1', { text: 'edited' }) },
      { type: 'message.posted', message: message('2') },
    );
    expect(shown(withPage(meanwhile, asked.step, [message('1')]))).toEqual(['edited', '2']);
  });

  it('drops what was deleted while the page was away, and only in the range of the answer', () => {
    const before = withPage(emptySimulator, 0, [message('1'), message('2'), message('3')]);
    expect(shown(withPage(before, 0, [message('3')], { hasMore: true }))).toEqual(['1', '2', '3']);
    expect(shown(withPage(before, 0, [message('1'), message('3')]))).toEqual(['1', '3']);
    expect(shown(withPage(before, 0, [message('1')], { before: '3' }))).toEqual(['1', '3']);
  });

  it('lets a thread go with its root', () => {
    const reply = message('2', { threadId: '1' });
    const before = withPage(emptySimulator, 0, [message('1', { threadId: '1' }), reply], { threadId: '1' });
    const ids = (state: SimulatorState) => Object.keys(state.stores['T1/C1'] ?? {});
    expect(ids(withPage(before, 0, [message('1')]))).toEqual(['1', '2']);
    expect(ids(withPage(before, 0, []))).toEqual([]);
  });

  it('marks a deleted message and does not bring it back from an older page', () => {
    const first = withPage(emptySimulator, 0, [message('1')]);
    const deleted = after(first, { type: 'message.deleted', ...channel, messageId: '1', threadId: null });
    const again = withPage(deleted, 0, [message('1')]);
    expect(again.stores['T1/C1']?.['1']).toMatchObject({ deleted: true });
  });

  it('keeps threads out of the top level and their root out of the replies', () => {
    const state = withPage(
      emptySimulator,
      0,
      [message('1', { threadId: '1', replyCount: 1 }), message('2', { threadId: '1' })],
      { threadId: '1' },
    );
    expect(shown(state)).toEqual(['1']);
    expect(
      threadReplies(state.stores['T1/C1'] ?? {}, '1', 'U1').map(({ message: m }) => m.messageId),
    ).toEqual(['2']);
  });

  it('shows a private notice to its reader only', () => {
    const state = withPage(emptySimulator, 0, [message('1', { visibleToUserId: 'U2' })]);
    expect(shown(state, 'U1')).toEqual([]);
    expect(shown(state, 'U2')).toEqual(['1']);
  });

  it('asks for everything again after a stream that could not resume, and not after one that did', () => {
    const opened = after(emptySimulator, { type: 'stream.opened', serverTimeMs: 1500, resumed: false });
    expect(opened).toMatchObject({ epoch: 1, clockOffsetMs: 500 });
    expect(after(opened, { type: 'stream.opened', serverTimeMs: 1500, resumed: true }).epoch).toBe(1);
    expect(after(opened, { type: 'stream.opened', serverTimeMs: 1500, resumed: false }).epoch).toBe(2);
  });

  it('does not let an overtaken answer reopen a finished journey, and forgets one that the answer lacks', () => {
    const journey: Journey = {
      ...channel,
      messageId: '1',
      threadId: null,
      startedAtMs: 1,
      stages: [],
      outcome: 'answered',
    };
    const finished = after(emptySimulator, { type: 'journey.changed', journey });
    const late = reduceSimulator(finished, {
      type: 'journeys',
      channel,
      journeys: [{ ...journey, outcome: 'running' }],
      askedAtMs: 0,
    });
    expect(late.journeys['T1/C1/1']?.outcome).toBe('answered');
    const anew = reduceSimulator(finished, { type: 'journeys', channel, journeys: [], askedAtMs: 1000 });
    expect(anew.journeys).toEqual({});
  });

  it('shows a duplicate delivery twice, and one that was both asked for and told once', () => {
    const delivery: DeliveryAttempt = {
      ...channel,
      messageId: '1',
      eventId: 'Ev1',
      eventType: 'message',
      retryNumber: 0,
      startedAtMs: 5,
      durationMs: 1,
      status: 200,
      outcome: 'ok',
      nextAttemptAtMs: null,
    };
    const told = after(
      emptySimulator,
      { type: 'delivery.attempted', delivery },
      { type: 'delivery.attempted', delivery },
    );
    expect(told.deliveries).toHaveLength(2);
    const asked = (deliveries: readonly DeliveryAttempt[]) =>
      reduceSimulator(told, { type: 'deliveries', deliveries, sinceStep: 0 }).deliveries;
    expect(asked([delivery, delivery])).toHaveLength(2);
    expect(asked([])).toHaveLength(2);
  });

  it('ignores events it does not know', () => {
    const event: ControlEvent = JSON.parse('{"type":"weather.changed"}');
    const state = after(emptySimulator, event);
    expect(state.step).toBe(1);
  });
});
