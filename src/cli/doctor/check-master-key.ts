import { isReadable, listStoredSecrets } from '../../stores/stored-secrets.ts';
import { type Check, ok, problem, warning } from './check.ts';
import { shortenList } from './shorten-list.ts';

/** Whether the master key opens every stored secret, and whether a rotation is unfinished. */
export const checkMasterKey: Check = {
  name: 'Master key',
  async run({ database, cipher, config }) {
    if (database === null || cipher === null) return [];
    const secrets = await listStoredSecrets(database);
    const closed = secrets.filter((secret) => !isReadable(secret, cipher)).map(({ name }) => name);
    if (closed.length > 0) {
      return [
        problem(
          `The master key does not open ${closed.length} of ${secrets.length} stored secrets: ${shortenList(closed)}.`,
          'Set KONSTRUCT_MASTER_KEY to the key they were stored under; if it is lost, apply them again with --replace-unreadable.',
        ),
      ];
    }
    const isCurrent = (envelope: Buffer) => cipher.isCurrent(envelope);
    const old = secrets.filter(({ envelopes }) => !envelopes.every(isCurrent)).length;
    if (old > 0) {
      return [warning(`${old} stored secrets are under a previous key.`, 'Run `konstruct keys rotate`.')];
    }
    const opened = ok(`The master key opens all ${secrets.length} stored secrets.`);
    if (config.previousMasterKeys.length === 0) return [opened];
    return [
      opened,
      warning(
        'No stored secret needs KONSTRUCT_MASTER_KEY_PREVIOUS any more.',
        'Remove it and destroy the old key.',
      ),
    ];
  },
};
