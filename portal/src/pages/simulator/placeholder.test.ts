import { describe, expect, it } from 'vitest';
import type { ControlMessage, Journey } from '../../../../src/simulator/control-api.ts';
import { isPlaceholder } from './placeholder.ts';

const place = { workspaceId: 'T', channelId: 'C' };
const running: Journey = {
  ...place,
  messageId: '1',
  threadId: null,
  startedAtMs: 1000.4,
  stages: [{ stage: 'placeholder', atMs: 1010, durationMs: 4 }],
  outcome: 'running',
};
const thinking: ControlMessage = {
  ...place,
  messageId: '2',
  threadId: '1',
  userId: 'UADA',
  userName: 'Ada',
  isAgent: true,
  text: 'Thinking…',
  plainText: 'Thinking…',
  markdown: null,
  sentAtMs: 1010,
  editedAtMs: null,
  replyCount: 0,
  replyUserIds: [],
  latestReplyId: null,
  reactions: [],
  files: [],
  visibleToUserId: null,
  metadata: null,
};

describe('isPlaceholder', () => {
  it('sees the sign of life of the message that is being answered', () => {
    expect(isPlaceholder(thinking, [running])).toBe(true);
    expect(isPlaceholder({ ...thinking, threadId: null }, [running])).toBe(true);
  });

  it('is over once the message was edited or the journey ended', () => {
    expect(isPlaceholder({ ...thinking, editedAtMs: 1020 }, [running])).toBe(false);
    expect(isPlaceholder(thinking, [{ ...running, outcome: 'answered' }])).toBe(false);
  });

  it('leaves people, other threads and earlier answers alone', () => {
    expect(isPlaceholder({ ...thinking, isAgent: false }, [running])).toBe(false);
    expect(isPlaceholder({ ...thinking, threadId: '0' }, [running])).toBe(false);
    expect(isPlaceholder({ ...thinking, sentAtMs: 900 }, [running])).toBe(false);
  });
});
