/** The largest file that is fetched or sent: files are held in memory. Slack itself takes 1 GB. */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;
