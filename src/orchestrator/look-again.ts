import type { Attachment } from '../core/channel-event.ts';
import type { ToolOutput } from '../core/tool.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import type { FetchAttachments } from './fetch-attachments.ts';

/**
 * Fetches one file for a tool. A text is the tool's result and in the log of the turn; what the model looks at itself is not
 * kept: whoever takes the turn over finds that it was shown, and may ask for it again.
 */
export function createLookAgain(
  fetchAttachments: FetchAttachments,
): (turn: ClaimedTurn, attachment: Attachment, signal: AbortSignal) => Promise<ToolOutput> {
  return async (turn, attachment, signal) => {
    const [shown] = await fetchAttachments(turn, [attachment], signal);
    switch (shown?.kind) {
      case 'text':
        return { text: shown.text };
      case 'file':
        return { text: 'It follows. If you do not see it any more, call again.', shows: [shown.file] };
      default:
        throw new Error(`It cannot be shown: ${shown?.reason ?? 'it is not there'}.`);
    }
  };
}
