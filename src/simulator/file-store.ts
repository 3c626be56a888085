import type { Random } from '../core/clock.ts';
import { slackId } from './slack-ids.ts';
import type { Workspace } from './workspace.ts';

/** What files hold. In memory: after a restart the messages still name them, and nobody can fetch them. */
export interface FileStore {
  put(id: string, file: StoredContent): void;
  get(id: string): StoredContent | undefined;
  /** A place for a file that is about to be uploaded. */
  reserve(workspace: Workspace, file: { readonly name: string; readonly sizeBytes: number }): PendingUpload;
  pending(id: string): PendingUpload | undefined;
  /** Where a file is fetched. */
  addressOf(id: string, name: string): string;
  uploadAddressOf(id: string): string;
}

export interface StoredContent {
  readonly workspace: Workspace;
  readonly name: string;
  readonly mediaType: string;
  readonly content: Uint8Array;
}

export interface PendingUpload {
  readonly id: string;
  readonly workspace: Workspace;
  readonly name: string;
  readonly sizeBytes: number;
}

/** All that is kept together; then the oldest go. */
const MAX_BYTES = 512 * 1024 * 1024;

export function createFileStore(input: { readonly random: Random; readonly base: () => string }): FileStore {
  const contents = new Map<string, StoredContent>();
  const uploads = new Map<string, PendingUpload>();
  let heldBytes = 0;
  const forget = (id: string): void => {
    heldBytes -= contents.get(id)?.content.length ?? 0;
    contents.delete(id);
  };
  return {
    put(id, file) {
      forget(id);
      heldBytes += file.content.length;
      for (const oldest of contents.keys()) {
        if (heldBytes <= MAX_BYTES) break;
        forget(oldest);
      }
      contents.set(id, file);
    },
    get: (id) => contents.get(id),
    reserve(workspace, { name, sizeBytes }) {
      const upload = { id: slackId('F', input.random), workspace, name, sizeBytes };
      uploads.set(upload.id, upload);
      return upload;
    },
    pending: (id) => uploads.get(id),
    addressOf: (id, name) => `${input.base()}/files-pri/${id}/${encodeURIComponent(name)}`,
    uploadAddressOf: (id) => `${input.base()}/upload/v1/${id}`,
  };
}
