/** Slack's retries in a test that starts processes anew: close together, and for as long as such a start may take. */
export const retryDelaysMs: readonly number[] = [100, 200, 500, 1_000, 2_000, 4_000, 8_000, 16_000];
