import type { ChannelEvent } from '../core/channel-event.ts';
import type { VisitorMailbox } from '../core/mailbox.ts';
import type { Route } from './create-router.ts';

/**
 * Where we are the platform ourselves, what a visitor says is in their mailbox before it is routed: so it stands before
 * its answer, and what was kept and could not be routed is sent again by the browser, which has no ack.
 *
 * @param channels those that keep a mailbox
 */
export function keepIncoming(
  route: Route,
  mailbox: Pick<VisitorMailbox, 'keep'>,
  channels: ReadonlySet<string>,
): Route {
  return async (connection, event) => {
    const said = channels.has(connection.channel) ? saidIn(event) : null;
    if (said !== null)
      await mailbox.keep({ connectionId: connection.id, channelId: said.channelId }, said.message);
    return route(connection, event);
  };
}

function saidIn(event: ChannelEvent) {
  if (event.type === 'message') {
    const { channelId, messageId, text } = event;
    return { channelId, message: { messageId, text } };
  }
  if (event.type === 'action') {
    const { channelId, actionId, choice } = event;
    return { channelId, message: { messageId: actionId, text: choice } };
  }
  return null;
}
