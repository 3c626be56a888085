import { type Check, ok, warning } from './check.ts';

/** What is set and does nothing. That it can be read at all is known before any check runs. */
export const checkConfiguration: Check = {
  name: 'Configuration',
  async run({ config }) {
    const source =
      config.databaseUrl === null ? `the embedded database in ${config.dataDir}` : 'DATABASE_URL';
    return [
      ok(`The environment is valid; data is kept in ${source}.`),
      ...config.notices.map((notice) => warning(notice, 'Remove it, or leave it for a later version.')),
    ];
  },
};
