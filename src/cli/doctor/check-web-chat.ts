import { existsSync } from 'node:fs';
import { readInstallation } from '../../config-file/read-installation.ts';
import { type Check, ok, problem } from './check.ts';

/** Whether the script that pages load is there, where a web chat is used: in a checkout somebody has to build it. */
export const checkWebChat: Check = {
  name: 'Web chat',
  async run({ database, widgetFile }) {
    if (database === null) return [];
    const { tenants } = await readInstallation(database, null);
    const isUsed = [...tenants.values()].some(({ connections }) =>
      connections.some(
        // `konstruct dev` builds what its own need.
        ({ channel, status, settings }) => channel === 'widget' && status === 'active' && !settings.simulated,
      ),
    );
    if (!isUsed) return [];
    if (existsSync(widgetFile)) return [ok('The script of web chats is built.')];
    return [
      problem(
        `The script of web chats is not built (${widgetFile}), so pages that ask for /widget.js get 404.`,
        'Run `npm run build` in the checkout, on every machine that runs a gateway; nothing has to be restarted.',
      ),
    ];
  },
};
