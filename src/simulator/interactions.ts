import type { Clock, Random } from '../core/clock.ts';
import type { EventSender, OutgoingEvent, OutgoingKind } from './event-sender.ts';
import { type Button, commandForm, pressPayload } from './interaction-body.ts';
import type { ResponseUrls } from './response-urls.ts';
import { slackId } from './slack-ids.ts';
import type { StoredMessage, Workspace, WorkspaceChannel } from './workspace.ts';
import { nextTs } from './workspace.ts';

/** What people do with the app beside writing: forms with Slack's signature, or envelopes where it uses Socket Mode. */
export interface Interactions {
  /** Presses a button; resolves with whether the app acked it in time. Never rejects. */
  press(
    workspace: Workspace,
    channel: WorkspaceChannel,
    message: StoredMessage,
    press: { readonly userId: string; readonly button: Button },
  ): Promise<boolean>;
  /** Gives a slash command; resolves as above. */
  command(
    workspace: Workspace,
    channel: WorkspaceChannel,
    given: { readonly userId: string; readonly command: string; readonly text: string },
  ): Promise<boolean>;
}

export function createInteractions(input: {
  readonly sender: EventSender;
  /** Who the app is to this workspace. */
  readonly senderOf: (workspace: Workspace) => Pick<OutgoingEvent, 'signingSecret' | 'appToken'>;
  readonly responses: ResponseUrls;
  readonly clock: Clock;
  readonly random: Random;
}): Interactions {
  const { sender, senderOf, responses, clock, random } = input;

  const send = (
    kind: Exclude<OutgoingKind, 'events_api'>,
    place: { readonly workspace: Workspace; readonly channelId: string; readonly messageId: string | null },
    form: Readonly<Record<string, string>>,
  ): Promise<boolean> =>
    sender.send(
      [
        {
          workspaceId: place.workspace.seed.id,
          channelId: place.channelId,
          messageId: place.messageId,
          eventId: slackId('', random, 12),
          label: kind,
          kind,
          body: new URLSearchParams(form).toString(),
          ...senderOf(place.workspace),
        },
      ],
      0,
    );

  return {
    press(workspace, channel, message, { userId, button }) {
      const payload = pressPayload(workspace, channel, message, {
        userId,
        button,
        actionTs: nextTs(workspace, clock),
        triggerId: slackId('', random, 20),
        responseUrl: responses.create(workspace, channel, { userId, messageTs: message.ts }),
      });
      const place = { workspace, channelId: channel.id, messageId: message.ts };
      return send('interactive', place, { payload: JSON.stringify(payload) });
    },
    command(workspace, channel, given) {
      const triggerId = slackId('', random, 20);
      const responseUrl = responses.create(workspace, channel, { userId: given.userId, messageTs: null });
      const form = commandForm(workspace, channel, { ...given, triggerId, responseUrl });
      return send('slash_commands', { workspace, channelId: channel.id, messageId: null }, form);
    },
  };
}
