import type { WorkspaceSeed } from './workspace.ts';

/** Two companies that know nothing of each other, each with its own agent. The tokens are worth nothing outside. */
export const defaultSeeds: readonly WorkspaceSeed[] = [
  {
    id: 'T0ACME00001',
    name: 'Acme',
    appId: 'A0KONSTRUCT',
    botUserId: 'U0ACMEADA01',
    botId: 'B0ACMEADA01',
    botToken: 'xoxb-simulator-acme',
    agentName: 'Ada',
    users: [
      { id: 'U0ACMEMARA1', handle: 'mara', name: 'Mara Lindqvist', title: 'Head of Support' },
      { id: 'U0ACMETOMA1', handle: 'tomas', name: 'Tomás Ferreira', title: 'Operations' },
      { id: 'U0ACMEPRIY1', handle: 'priya', name: 'Priya Raman', title: 'Backend engineer' },
      { id: 'U0ACMEGRAC1', handle: 'grace', name: 'Grace Okafor', title: 'Finance' },
    ],
    channels: [
      channel('C0ACMEGENER', 'general', 'public', 'Company news and everything else', [
        'U0ACMEMARA1',
        'U0ACMETOMA1',
        'U0ACMEPRIY1',
        'U0ACMEGRAC1',
        'U0ACMEADA01',
      ]),
      channel('C0ACMESUPPO', 'support', 'public', 'Customers’ questions and who answers them', [
        'U0ACMEMARA1',
        'U0ACMETOMA1',
        'U0ACMEPRIY1',
        'U0ACMEADA01',
      ]),
      channel('C0ACMERANDO', 'random', 'public', 'Lunch, dogs, the weather', [
        'U0ACMEMARA1',
        'U0ACMETOMA1',
        'U0ACMEPRIY1',
        'U0ACMEGRAC1',
      ]),
      channel('C0ACMELEADS', 'leads', 'private', 'Planning', ['U0ACMEMARA1', 'U0ACMEGRAC1', 'U0ACMEADA01']),
      channel('D0ACMEMARA1', 'mara', 'im', '', ['U0ACMEMARA1', 'U0ACMEADA01']),
      channel('D0ACMEPRIY1', 'priya', 'im', '', ['U0ACMEPRIY1', 'U0ACMEADA01']),
    ],
  },
  {
    id: 'T0GLOBEX001',
    name: 'Globex',
    appId: 'A0KONSTRUCT',
    botUserId: 'U0GLOBXMAX1',
    botId: 'B0GLOBXMAX1',
    botToken: 'xoxb-simulator-globex',
    agentName: 'Max',
    users: [
      { id: 'U0GLOBXHANK', handle: 'hank', name: 'Hank Whitfield', title: 'Managing director' },
      { id: 'U0GLOBXYUKI', handle: 'yuki', name: 'Yuki Tanabe', title: 'Sales' },
      { id: 'U0GLOBXOMAR', handle: 'omar', name: 'Omar Haddad', title: 'Logistics' },
    ],
    channels: [
      channel('C0GLOBXGENE', 'general', 'public', 'All of Globex', [
        'U0GLOBXHANK',
        'U0GLOBXYUKI',
        'U0GLOBXOMAR',
        'U0GLOBXMAX1',
      ]),
      channel('C0GLOBXSUPP', 'support', 'public', 'Orders, returns, complaints', [
        'U0GLOBXYUKI',
        'U0GLOBXOMAR',
        'U0GLOBXMAX1',
      ]),
      channel('C0GLOBXRAND', 'random', 'public', 'Off topic', ['U0GLOBXHANK', 'U0GLOBXYUKI', 'U0GLOBXOMAR']),
      channel('D0GLOBXYUKI', 'yuki', 'im', '', ['U0GLOBXYUKI', 'U0GLOBXMAX1']),
    ],
  },
];

function channel(
  id: string,
  name: string,
  kind: 'public' | 'private' | 'im',
  topic: string,
  memberIds: readonly string[],
) {
  return { id, name, kind, topic, memberIds };
}
