import type { AssistantThread } from '../workspace.ts';
import { isObject } from './api-arguments.ts';
import type { ApiCallContext, ApiMethod } from './api-method.ts';
import { joinedChannel } from './api-method.ts';
import { invalidArguments, SlackApiError } from './slack-api-error.ts';

const scopes = ['assistant:write'] as const;
const MAX_PROMPTS = 4;

/** Source: https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts and its neighbours */
export const assistantMethods: Readonly<Record<string, ApiMethod>> = {
  'assistant.threads.setSuggestedPrompts': {
    scopes,
    run(call) {
      const prompts = call.args.json('prompts', 'invalid_arguments');
      if (!Array.isArray(prompts) || prompts.length === 0 || prompts.length > MAX_PROMPTS)
        throw invalidArguments(`must have from 1 to ${MAX_PROMPTS} items [json-pointer:/prompts]`);
      const messages = prompts.map((prompt: unknown) => {
        if (!isObject(prompt) || typeof prompt.title !== 'string' || typeof prompt.message !== 'string')
          throw invalidArguments('must have a title and a message [json-pointer:/prompts]');
        return prompt.message;
      });
      const channel = joinedChannel(call, 'channel_id');
      const { offeredPrompts, assistantThreads } = call.workspace;
      const ts = call.args.text('thread_ts');
      if (ts === undefined) offeredPrompts.set(channel.id, messages);
      // For any other thread Slack says yes and shows nothing.
      else if (assistantThreads.has(ts)) return change(call, { prompts: messages });
      return {};
    },
  },
  'assistant.threads.setTitle': {
    scopes,
    run: (call) => change(call, { title: call.args.requiredText('title') }),
  },
  /** In any thread, and with either scope. */
  'assistant.threads.setStatus': {
    scopes: ['chat:write', ...scopes],
    run(call) {
      if (!call.args.has('status')) throw invalidArguments('missing required field: status');
      const status = call.args.text('status');
      const ts = threadOf(call);
      if (status === undefined) call.workspace.statuses.delete(ts);
      else call.workspace.statuses.set(ts, status);
      return {};
    },
  },
};

/** Of threads of the view only: what Slack says of others is not documented. */
function change(call: ApiCallContext, what: Partial<AssistantThread>): Record<string, never> {
  const ts = threadOf(call);
  const { assistantThreads } = call.workspace;
  const before = assistantThreads.get(ts);
  if (before === undefined) throw new SlackApiError('invalid_thread_ts');
  assistantThreads.set(ts, { ...before, ...what });
  return {};
}

function threadOf(call: ApiCallContext): string {
  const channel = joinedChannel(call, 'channel_id');
  const ts = call.args.requiredText('thread_ts');
  if (!channel.messages.has(ts)) throw new SlackApiError('invalid_thread_ts');
  return ts;
}
