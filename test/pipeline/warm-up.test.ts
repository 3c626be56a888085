import { afterEach, expect, it } from 'vitest';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
afterEach(() => installation.stop());

it.each([
  ['all', { 'konstruct admit': 4, 'konstruct work': 8 }],
  ['gateway', { 'konstruct admit': 4 }],
  ['worker', { 'konstruct work': 8 }],
] as const)(
  'a process that is ready (%s) has opened every connection that its messages will ask',
  async (role, warm) => {
    installation = await startInstallation({ app: { role, warmUp: true } });
    const rows = await installation.query(
      `select application_name as name, count(*)::int as connections from pg_stat_activity
     where datname = current_database() group by 1`,
    );
    expect(Object.fromEntries(rows.map(({ name, connections }) => [name, connections]))).toMatchObject(warm);
  },
);
