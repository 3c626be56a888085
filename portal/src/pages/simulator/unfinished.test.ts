import { describe, expect, it } from 'vitest';
import type { ControlMessage, Journey } from '../../../../src/simulator/control-api.ts';
import { isUnfinished } from './unfinished.ts';

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
  buttons: [],
  notes: [],
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

describe('isUnfinished', () => {
  it('sees the message that is being answered', () => {
    expect(isUnfinished(thinking, [running])).toBe(true);
    expect(isUnfinished({ ...thinking, threadId: null }, [running])).toBe(true);
  });

  it('goes on while what is written is shown, and is over once the journey ended', () => {
    expect(isUnfinished({ ...thinking, editedAtMs: 1020 }, [running])).toBe(true);
    expect(isUnfinished(thinking, [{ ...running, outcome: 'answered' }])).toBe(false);
  });

  it('leaves people, other threads and earlier answers alone', () => {
    expect(isUnfinished({ ...thinking, isAgent: false }, [running])).toBe(false);
    expect(isUnfinished({ ...thinking, threadId: '0' }, [running])).toBe(false);
    expect(isUnfinished({ ...thinking, sentAtMs: 900 }, [running])).toBe(false);
  });
});
