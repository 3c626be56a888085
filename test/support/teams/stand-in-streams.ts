import {
  ConnectorRefusal,
  type Conversation,
  type Message,
  type Person,
  type StreamState,
} from './teams-world.ts';

type Given = Readonly<Record<string, unknown>>;

/** How the stand-in behaves where Microsoft's pages leave it open, and what its administrators allow. */
export interface StreamBehaviour {
  /** `refused`: not for this person or bot; `not_enabled`: not in this kind of conversation, as in group chats always. */
  streaming: 'allowed' | 'refused' | 'not_enabled';
  /** Whether what is being streamed, or was stopped by a person, may be changed by an update: not documented. */
  streamUpdates: 'taken' | 'refused';
  /** The same of its deletion. */
  streamDeletions: 'taken' | 'refused';
  /** The longest text that a stream takes; what Teams takes in truth nobody has written down. */
  maxStreamCharacters: number;
  /** How far the stand-in's clock is ahead, in ms. */
  aheadMs: number;
}

const TIME_LIMIT_MS = 2 * 60_000;
/** "One request per second", less what a timer may be early and the way be late. */
const BETWEEN_MS = 900;
const MAX_INFORMATIVE_CHARACTERS = 1_000;
const MAX_BYTES = 28 * 1024;

/**
 * Streaming activities as Microsoft describes them, and more strictly: what comes too soon is refused and not only asked to
 * be rare, and a text that does not begin with what was streamed before ends in an error.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/streaming-ux
 */
export function createStandInStreams(options: {
  readonly behaviour: StreamBehaviour;
  readonly add: (conversation: Conversation, from: Person, text: string, stream: StreamState) => Message;
}) {
  const { behaviour, add } = options;
  const now = (): number => Date.now() + behaviour.aheadMs;

  /** Of a message that is streamed, whether it still may be; says why not as Teams does. */
  function requireOpen(stream: StreamState): void {
    if (stream.state === 'open' && now() - stream.begunAtMs > TIME_LIMIT_MS) stream.state = 'over';
    if (stream.state === 'stopped') throw notAllowed('Content stream was canceled by user.');
    if (stream.state === 'over') throw notAllowed('Content stream finished due to exceeded streaming time.');
    if (stream.state === 'final')
      throw notAllowed('Content stream is not allowed on an already completed streamed message');
  }

  function begin(conversation: Conversation, from: Person, given: StreamRequest): [number, unknown] {
    if (given.sequence !== 1) throw bad('Start streaming activities should have the sequence 1');
    for (const { stream } of conversation.messages.values()) {
      if (stream?.state !== 'open') continue;
      if (now() - stream.begunAtMs > TIME_LIMIT_MS) stream.state = 'over';
      else throw notAllowed('Content stream is not allowed'); // one at a time
    }
    const stream: StreamState = {
      state: 'open',
      sequence: 1,
      streamed: '',
      begunAtMs: now(),
      lastAtMs: now(),
    };
    if (given.type === 'streaming') stream.streamed = given.text;
    return [201, { id: add(conversation, from, given.text, stream).id }];
  }

  function goOn(conversation: Conversation, from: Person, given: StreamRequest): [number, unknown] {
    const message = conversation.messages.get(given.streamId ?? '');
    const stream = message?.stream;
    if (message === undefined || stream === undefined || message.from.id !== from.id)
      throw new ConnectorRefusal(404, 'ActivityNotFoundInConversation', 'Activity not found.');
    requireOpen(stream);
    if (now() - stream.lastAtMs < BETWEEN_MS) throw new ConnectorRefusal(429, '', 'API calls quota exceeded');
    if (given.type !== 'final' && given.sequence !== null && given.sequence <= stream.sequence)
      return [
        202,
        error(
          'ContentStreamSequenceOrderPreConditionFailed',
          'PreCondition failed exception when processing streaming activity.',
        ),
      ];
    if (given.type === 'informative' && stream.streamed !== '')
      throw bad('Informative updates come before what is streamed');
    if (given.type !== 'informative' && !given.text.startsWith(stream.streamed))
      throw new ConnectorRefusal(
        400,
        'BadArgument',
        'Request streamed content should contain the previously streamed content',
      );
    stream.lastAtMs = now();
    stream.sequence = given.sequence ?? stream.sequence;
    if (given.type !== 'informative') stream.streamed = given.text;
    if (given.type === 'final') stream.state = 'final';
    Object.assign(message, { text: given.text, shown: given.text });
    return [202, {}];
  }

  return {
    /** `null`: the activity is none of a stream. */
    post(conversation: Conversation, from: Person, activity: Given): [number, unknown] | null {
      const request = readRequest(activity);
      if (request === null) return null;
      if (behaviour.streaming === 'refused') throw notAllowed('Content stream is not allowed');
      if (behaviour.streaming === 'not_enabled' || conversation.type !== 'personal')
        throw new ConnectorRefusal(400, 'BadArgument', 'Streaming api is not enabled for this conversation.');
      const isTooLong = request.text.length > behaviour.maxStreamCharacters;
      if (isTooLong || JSON.stringify(activity).length * 2 > MAX_BYTES)
        throw notAllowed('Message size too large');
      if (request.streamId !== null) return goOn(conversation, from, request);
      if (request.type === 'final') throw bad('End streaming activities should include a stream id');
      return begin(conversation, from, request);
    },
    /** An update or a deletion of a message that is, or was, streamed. What was ended by time is updated by Microsoft's clients. */
    change({ stream }: Message, method: 'PUT' | 'DELETE'): void {
      if (stream === undefined || stream.state === 'final') return;
      if (stream.state === 'open' && now() - stream.begunAtMs > TIME_LIMIT_MS) stream.state = 'over';
      const rule = method === 'PUT' ? behaviour.streamUpdates : behaviour.streamDeletions;
      if (rule === 'refused' && stream.state !== 'over')
        throw notAllowed('Content stream is not allowed to be changed');
      stream.state = 'final';
    },
  };
}

interface StreamRequest {
  readonly type: 'informative' | 'streaming' | 'final';
  readonly text: string;
  readonly streamId: string | null;
  readonly sequence: number | null;
}

/** Microsoft's client says the same in `channelData` and `id` as well. */
const FIELDS = ['type', 'text', 'entities', 'id', 'channelData'];

function readRequest(activity: Given): StreamRequest | null {
  const entities = Array.isArray(activity.entities) ? (activity.entities as readonly Given[]) : [];
  const [entity] = entities;
  if (entity?.type !== 'streaminfo') return null;
  const unknown = Object.keys(activity).filter((field) => !FIELDS.includes(field));
  if (entities.length !== 1 || unknown.length > 0) throw bad(`Unknown fields ${unknown.join()}`);
  const { streamId = null, streamType: type = 'streaming', streamSequence = null } = entity;
  const { text } = activity;
  if (typeof text !== 'string' || text.trim() === '')
    throw bad('Start streaming activities should include text');
  if (type !== 'informative' && type !== 'streaming' && type !== 'final') throw bad('Unknown type of stream');
  if ((type === 'final') !== (activity.type === 'message'))
    throw bad('Only start streaming and continue streaming types are allowed as a typing activity');
  if ((type === 'final') !== (streamSequence === null))
    throw bad('streamSequence is missing, or must not be set');
  if (streamSequence !== null && !Number.isSafeInteger(streamSequence))
    throw bad('streamSequence is no integer');
  if (streamId !== null && (typeof streamId !== 'string' || streamId === '')) throw bad('streamId is no id');
  if (type === 'informative' && text.length > MAX_INFORMATIVE_CHARACTERS)
    throw bad('Informative text too long');
  return { type, text, streamId, sequence: streamSequence as number | null };
}

function notAllowed(message: string): ConnectorRefusal {
  return new ConnectorRefusal(403, 'ContentStreamNotAllowed', message);
}

function bad(message: string): ConnectorRefusal {
  return new ConnectorRefusal(400, 'BadRequest', message);
}

function error(code: string, message: string): unknown {
  return { error: { code, message } };
}
