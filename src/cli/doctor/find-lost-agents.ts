import type { Kysely } from 'kysely';
import { readInstallation } from '../../config-file/read-installation.ts';
import { errorTable } from '../../core/errors.ts';
import type { Database } from '../../db/schema.ts';
import { type Finding, problem } from './check.ts';
import { shortenList } from './shorten-list.ts';

/** Agents whose route does not exist: they answer nobody. One finding for each such route. */
export async function findLostAgents(database: Kysely<Database>): Promise<readonly Finding[]> {
  const { routes, tenants } = await readInstallation(database, null);
  // `default` needs no definition.
  const known = new Set(['default', ...routes.map(({ name }) => name)]);
  const lost = new Map<string, string[]>();
  for (const { tenant, agents } of tenants.values()) {
    for (const { slug, route } of agents) {
      if (!known.has(route)) lost.set(route, [...(lost.get(route) ?? []), `${slug} of ${tenant.slug}`]);
    }
  }
  return [...lost].map(([route, agents]) => {
    const users = agents.length === 1 ? `Agent ${agents[0]} uses` : `Agents ${shortenList(agents)} use`;
    return problem(`${users} the route ${route}, which does not exist.`, errorTable.route_unknown.remedy);
  });
}
