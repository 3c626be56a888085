import { randomBytes } from 'node:crypto';
import { stringify } from 'yaml';
import type { WorkspaceSeed } from '../simulator/workspace.ts';

/**
 * Who answers in the simulator's two companies. For each of the questions that its page suggests there is a line, which the
 * scripted model finds by the words that both share.
 */
const agents: Readonly<Record<string, { role: string; persona: string; instructions: string }>> = {
  Ada: {
    role: 'Support engineer',
    persona: 'Calm, precise, a little dry. Says when she does not know.',
    instructions: [
      'Acme sells garden tools to private customers in Europe.',
      'Refunds: within 14 days of delivery in full, also for opened packages; after that only for defects, within two years.',
      'Shipping takes 2 to 4 working days; orders over 80 € ship free.',
      'Opening hours: telephone on weekdays from 8 to 18, chat every day until 22.',
      'When a delivery is late, apologise to the customer, say where the parcel is, and ship the next order free.',
    ].join('\n'),
  },
  Max: {
    role: 'Operations coordinator',
    persona: 'Brisk and friendly. Answers in lists when there is more than one thing.',
    instructions: [
      'Globex rents out event equipment to companies.',
      'Cancellations and refunds: in full until 7 days before the event, half the price until 2 days before.',
      'Opening hours of the warehouse: 7 to 19 on weekdays, 8 to 14 on Saturdays.',
      'When a delivery is late, call the customer before the customer calls, and name the new time.',
    ].join('\n'),
  },
};

/** A company of the simulator, and what it is to be called here. */
export interface DevTenant {
  readonly workspace: WorkspaceSeed;
  readonly slug: string;
  /** Name of its web chat. */
  readonly site: string;
}

/** The konstruct.yaml of the simulator's companies: one tenant and agent per workspace, with a web chat beside it. */
export function devTenants(companies: readonly DevTenant[]): string {
  return stringify({
    tenants: companies.map(({ workspace, slug, site }) => ({
      slug,
      name: workspace.name,
      agents: [
        {
          slug: workspace.agentName.toLowerCase(),
          name: workspace.agentName,
          ...(agents[workspace.agentName] ?? { role: 'AI coworker', persona: '', instructions: '' }),
        },
      ],
      connections: [
        {
          channel: 'slack',
          externalId: workspace.id,
          agent: workspace.agentName.toLowerCase(),
          credentials: { botToken: workspace.botToken },
          settings: { simulated: true },
        },
        webChat(workspace, site),
      ],
    })),
  });
}

/** Of a site that `konstruct dev` serves itself (`widget-demo.ts`); anybody may talk there. */
function webChat({ name, agentName }: WorkspaceSeed, site: string) {
  return {
    channel: 'widget',
    externalId: site,
    agent: agentName.toLowerCase(),
    credentials: { secret: randomBytes(32).toString('base64') },
    settings: {
      simulated: true,
      allowedOrigins: [],
      allowAnonymous: true,
      greeting: `Hello! I am ${agentName} of ${name}. What can I do for you?`,
    },
  };
}
