/** Where one is on the page, kept in the address after `#`, so that the back button and links work. */
export interface SimulatorLocation {
  readonly workspaceId: string | null;
  /** `null`: the list of channels (on a narrow screen; a wide one shows the first channel beside it). */
  readonly channelId: string | null;
  /** What the right side shows; `null`: closed where there is no room for it. */
  readonly panel: 'way' | 'faults' | null;
  /** The message whose way is shown; `null`: the latest. */
  readonly messageId: string | null;
}

export const startLocation: SimulatorLocation = {
  workspaceId: null,
  channelId: null,
  panel: null,
  messageId: null,
};

/** `#/T0ACME/C0SUPPORT/way/1723456789.000100` */
export function parseLocation(hash: string): SimulatorLocation {
  const [workspaceId, channelId, panel, messageId] = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .map(decode);
  return {
    workspaceId: workspaceId || null,
    channelId: channelId || null,
    panel: panel === 'way' || panel === 'faults' ? panel : null,
    messageId: (panel === 'way' && messageId) || null,
  };
}

export function formatLocation({ workspaceId, channelId, panel, messageId }: SimulatorLocation): string {
  const parts = [workspaceId, channelId, panel, panel === 'way' ? messageId : null];
  const end = parts.indexOf(null);
  const present = (end === -1 ? parts : parts.slice(0, end)).map((part) => encodeURIComponent(part ?? ''));
  return `#/${present.join('/')}`;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
