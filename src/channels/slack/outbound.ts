import type { Channel } from '../../core/channel.ts';
import type { ChannelOptions } from '../../core/channel-definition.ts';
import { createKeptAliveHttp } from '../kept-alive-http.ts';
import { acknowledgeAction } from './acknowledge-action.ts';
import { createSlackAssistant } from './assistant.ts';
import { createAuthorship } from './authorship.ts';
import { createSlackClient } from './client.ts';
import { createSlackFiles } from './files.ts';
import { createIdentities } from './identity.ts';
import { createSlackStreams } from './native-stream.ts';
import { createPersonNames } from './person-names.ts';
import { react } from './react.ts';
import { createRespond } from './respond.ts';
import { editMessage, postMessage, postPrivately, removeMessage } from './send.ts';
import { showCommand } from './show-command.ts';
import { fetchThread, findByMarker } from './thread.ts';

/** What speaks to Slack, and so needs its library. */
export type SlackOutbound = Pick<
  Channel,
  | 'identify'
  | 'post'
  | 'edit'
  | 'remove'
  | 'postPrivately'
  | 'fetchThread'
  | 'findByMarker'
  | 'isPerson'
  | 'personName'
  | 'close'
> &
  Required<
    Pick<
      Channel,
      | 'acknowledgeAction'
      | 'hasOwnAuthor'
      | 'showCommand'
      | 'fetchFile'
      | 'upload'
      | 'react'
      | 'status'
      | 'welcome'
      | 'entitle'
      | 'openStream'
    >
  >;

const TIMEOUT_MS = 10_000;
const MAX_WAIT_MS = 30_000;

export function createSlackOutbound(options: ChannelOptions): SlackOutbound {
  const { clock, log, timeoutMs = TIMEOUT_MS, maxWaitMs = MAX_WAIT_MS } = options;
  const client = createSlackClient({ ...options, timeoutMs, maxWaitMs });
  const identities = createIdentities(client, clock);
  const names = createPersonNames(client, clock, log);
  const reading = { client, identities, clock, log };
  const http = createKeptAliveHttp();
  const respond = createRespond({ http, apiUrl: options.apiUrl, timeoutMs, log });
  const authorship = createAuthorship(identities, clock);
  const assistant = createSlackAssistant(client, clock);
  const streams = createSlackStreams({ client, authorship, clock, sleep: options.sleep, log });
  const files = createSlackFiles({ client, http, apiUrl: options.apiUrl, sleep: options.sleep });
  return {
    identify: (access, signal) => identities.identify(access, signal),
    post: (access, message, signal) => postMessage({ client, authorship }, access, message, signal),
    edit: (access, message, signal) => editMessage(client, access, message, signal),
    remove: (access, message, signal) => removeMessage(client, access, message, signal),
    postPrivately: (access, message, signal) => postPrivately(client, access, message, signal),
    hasOwnAuthor: (access, author, signal) => authorship.isOwn(access, author, signal),
    fetchThread: (access, target, limit, signal) => fetchThread(reading, access, target, limit, signal),
    findByMarker: (access, target, marker, signal) => findByMarker(reading, access, target, marker, signal),
    isPerson: (access, externalId, signal) => names.isPerson(access, externalId, signal),
    personName: (access, externalId, signal) => names.personName(access, externalId, signal),
    acknowledgeAction: (access, action, signal) => acknowledgeAction(client, access, action, signal),
    showCommand: (access, command, signal) =>
      showCommand({ client, respond, reading }, access, command, signal),
    react: (access, reaction, signal) => react(client, access, reaction, signal),
    ...assistant,
    openStream: (access, start) => streams.open(access, start),
    fetchFile: (access, file, limits, signal) => files.fetch(access, file, limits, signal),
    upload: (access, file, signal) => files.upload(access, file, signal),
    close() {
      client.close();
      http.close();
    },
  };
}
