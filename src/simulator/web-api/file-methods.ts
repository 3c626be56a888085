import { mediaTypeOf } from '../media-types.ts';
import type { WireObject } from '../wire-message.ts';
import { wireFile } from '../wire-message.ts';
import type { StoredFile, StoredMessage, Workspace } from '../workspace.ts';
import { isObject } from './api-arguments.ts';
import type { ApiMethod } from './api-method.ts';
import { joinedChannel } from './api-method.ts';
import { invalidArguments, SlackApiError } from './slack-api-error.ts';

const MAX_BYTES = 1024 * 1024 * 1024;

/** Source: https://docs.slack.dev/messaging/working-with-files */
export const fileMethods: Readonly<Record<string, ApiMethod>> = {
  'files.info': {
    scopes: ['files:read'],
    run({ workspace, args, files }) {
      const id = args.requiredText('file');
      const found = findFile(workspace, id);
      if (found === null) throw new SlackApiError('file_not_found');
      const address = files.addressOf(id, found.file.name);
      return {
        file: {
          ...wireFile(workspace, found.message.userId, found.file),
          url_private: address,
          url_private_download: address,
          shares: sharesOf(workspace, found.channelId, found.message),
        },
        comments: [],
      };
    },
  },

  'files.getUploadURLExternal': {
    scopes: ['files:write'],
    run({ workspace, args, files }) {
      const name = args.requiredText('filename');
      const sizeBytes = args.integer('length');
      if (sizeBytes === undefined) throw invalidArguments('missing required field: length');
      if (sizeBytes === 0 || sizeBytes > MAX_BYTES) throw new SlackApiError('file_upload_size_restricted');
      const { id } = files.reserve(workspace, { name, sizeBytes });
      return { upload_url: files.uploadAddressOf(id), file_id: id };
    },
  },

  'files.completeUploadExternal': {
    scopes: ['files:write'],
    run(call) {
      const { workspace, args, files, actions } = call;
      const list = args.json('files', 'invalid_arguments');
      if (!Array.isArray(list) || list.length === 0) throw invalidArguments('missing required field: files');
      const uploaded = list.map((entry: unknown) => {
        const id = isObject(entry) ? String(entry.id) : '';
        const pending = files.pending(id);
        if (pending?.workspace !== workspace || files.get(id) === undefined)
          throw new SlackApiError('file_not_found');
        if (findFile(workspace, id) !== null) throw new SlackApiError('file_already_shared');
        const title = isObject(entry) && typeof entry.title === 'string' ? entry.title : pending.name;
        const mediaType = mediaTypeOf(pending.name);
        return { id, name: pending.name, title, mediaType, sizeBytes: pending.sizeBytes };
      });
      if (args.text('channel_id') !== undefined) {
        const channel = joinedChannel(call, 'channel_id');
        actions.post(workspace, channel, {
          userId: workspace.seed.botUserId,
          text: args.text('initial_comment') ?? '',
          threadTs: args.text('thread_ts') ?? null,
          blocks: null,
          files: uploaded,
        });
      }
      // Slack shares a moment later: where, `files.info` says.
      return { files: uploaded.map(({ id, title }) => ({ id, title })) };
    },
  },
};

function findFile(
  { channels }: Workspace,
  id: string,
): { readonly channelId: string; readonly message: StoredMessage; readonly file: StoredFile } | null {
  for (const channel of channels.values()) {
    for (const message of channel.messages.values()) {
      const file = message.files.find((each) => each.id === id);
      if (file !== undefined) return { channelId: channel.id, message, file };
    }
  }
  return null;
}

function sharesOf({ channels }: Workspace, channelId: string, { ts, threadTs }: StoredMessage): WireObject {
  const kind = channels.get(channelId)?.kind === 'public' ? 'public' : 'private';
  const share = { ts, ...(threadTs === null ? {} : { thread_ts: threadTs }) };
  return { [kind]: { [channelId]: [share] } };
}
