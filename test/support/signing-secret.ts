/** What the simulated Slack signs its events with. */
export const SIGNING_SECRET = 'test-signing-secret';
