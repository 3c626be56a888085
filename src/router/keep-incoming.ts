import type { ChannelEvent } from '../core/channel-event.ts';
import type { VisitorMailbox } from '../core/mailbox.ts';
import type { Route, RouteOutcome } from './create-router.ts';
import { opinionOfReaction } from './etiquette.ts';

/**
 * Where we are the platform ourselves, what a visitor says is in their mailbox before it is routed: so it stands before
 * its answer, and what was kept and could not be routed is sent again by the browser, which has no ack. What they think of
 * an answer is shown there when it is kept as feedback, and not before.
 *
 * @param channels those that keep a mailbox
 */
export function keepIncoming(
  route: Route,
  mailbox: Pick<VisitorMailbox, 'keep' | 'rate'>,
  channels: ReadonlySet<string>,
): Route {
  return async (connection, event) => {
    if (!channels.has(connection.channel)) return route(connection, event);
    const said = saidIn(event);
    if (said !== null)
      await mailbox.keep({ connectionId: connection.id, channelId: said.channelId }, said.message);
    const outcome = await route(connection, event);
    const rating = event.type === 'reaction' && isFeedback(outcome) ? opinionOfReaction(event) : null;
    if (event.type === 'reaction' && rating !== null) {
      const { channelId, messageId, present } = event;
      await mailbox.rate({ connectionId: connection.id, channelId }, messageId, { rating, present });
    }
    return outcome;
  };
}

/** Also when it was kept before: the browser may have got no ack because it could not be shown. */
function isFeedback(outcome: RouteOutcome): boolean {
  return outcome === 'rated' || outcome === 'duplicate';
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
