import { readFileSync, renameSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Sleep } from '../core/clock.ts';
import type { Log } from '../core/log.ts';
import type {
  ChannelKind,
  InstallationState,
  StoredMessage,
  Workspace,
  WorkspaceChannel,
  WorkspaceSeed,
} from './workspace.ts';
import { adoptChannel, createChannel, createWorkspace } from './workspace.ts';

/** Keeps the workspaces in one JSON file, so that a restart goes on where it was. */
export interface StateFile {
  /** Writes soon; many changes become one write. */
  touch(): void;
  /** Writes what is still unwritten and ends. */
  close(): Promise<void>;
}

interface StoredState {
  readonly version: 1;
  readonly workspaces: readonly StoredWorkspace[];
}

interface StoredWorkspace {
  readonly seed: WorkspaceSeed;
  readonly installation: InstallationState;
  readonly lastTsMicros: number;
  readonly channels: readonly StoredChannel[];
}

interface StoredChannel {
  readonly id: string;
  readonly name: string;
  readonly kind: ChannelKind;
  readonly topic: string;
  readonly externallyShared: boolean;
  readonly memberIds: readonly string[];
  readonly messages: readonly StoredMessage[];
}

const WRITE_DELAY_MS = 250;

/**
 * The stored workspaces, with the given seeds laid over them: people, tokens and scopes as the seeds say, messages and
 * opened conversations as stored. A file that cannot be read is moved aside; the simulator then starts afresh.
 */
export function loadWorkspaces(
  file: string | undefined,
  seeds: readonly WorkspaceSeed[],
  log: Log,
): Workspace[] {
  const stored = file === undefined ? [] : readState(file, log);
  const known = new Map(stored.map((workspace) => [workspace.seed.id, workspace]));
  const workspaces = seeds.map((seed) => restore(seed, known.get(seed.id)));
  const seeded = new Set(seeds.map((seed) => seed.id));
  for (const workspace of stored) {
    if (!seeded.has(workspace.seed.id)) workspaces.push(restore(workspace.seed, workspace));
  }
  return workspaces;
}

export function openStateFile(input: {
  readonly file: string;
  readonly workspaces: () => Iterable<Workspace>;
  readonly sleep: Sleep;
  readonly log: Log;
}): StateFile {
  const closing = new AbortController();
  let dirty = false;
  let writing: Promise<void> | null = null;

  const write = async () => {
    while (dirty) {
      await input.sleep(WRITE_DELAY_MS, closing.signal).catch(() => {});
      dirty = false;
      try {
        await writeAtomically(input.file, JSON.stringify(snapshot(input.workspaces())));
      } catch (error) {
        input.log.warn('simulator.state_not_written', { file: input.file, error });
      }
    }
    writing = null;
  };

  return {
    touch() {
      dirty = true;
      writing ??= write();
    },
    async close() {
      closing.abort();
      await writing;
    },
  };
}

function restore(seed: WorkspaceSeed, stored: StoredWorkspace | undefined): Workspace {
  const workspace = createWorkspace(seed);
  if (!stored) return workspace;
  workspace.installation = stored.installation;
  workspace.lastTsMicros = stored.lastTsMicros;
  for (const { messages, ...channelSeed } of stored.channels) {
    const channel = createChannel(channelSeed);
    for (const message of messages) addStored(channel, message);
    adoptChannel(workspace, channel);
  }
  return workspace;
}

function addStored(channel: WorkspaceChannel, message: StoredMessage): void {
  channel.messages.set(message.ts, message);
  if (message.threadTs === null) return;
  const replies = channel.replies.get(message.threadTs);
  if (replies) replies.push(message.ts);
  else channel.replies.set(message.threadTs, [message.ts]);
}

function snapshot(workspaces: Iterable<Workspace>): StoredState {
  return {
    version: 1,
    workspaces: [...workspaces].map((workspace) => ({
      seed: workspace.seed,
      installation: workspace.installation,
      lastTsMicros: workspace.lastTsMicros,
      channels: [...workspace.channels.values()].map((channel) => ({
        id: channel.id,
        name: channel.name,
        kind: channel.kind,
        topic: channel.topic,
        externallyShared: channel.externallyShared,
        memberIds: [...channel.memberIds],
        messages: [...channel.messages.values()],
      })),
    })),
  };
}

function readState(file: string, log: Log): readonly StoredWorkspace[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
  try {
    // Only the simulator writes this file; its version says whether the shape is this one.
    const state: StoredState = JSON.parse(text);
    if (state.version !== 1) throw new Error(`unknown version ${String(state.version)}`);
    return state.workspaces;
  } catch (error) {
    const aside = `${file}.unreadable`;
    renameSync(file, aside);
    log.warn('simulator.state_unreadable', { file, movedTo: aside, error });
    return [];
  }
}

async function writeAtomically(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}
