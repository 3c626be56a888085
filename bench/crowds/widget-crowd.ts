import { tokenFor } from '../../test/support/widget/start-widget-installation.ts';
import { createVisitorClient, type VisitorClient } from '../../test/support/widget/visitor-client.ts';
import { at, type Crowd, range } from './crowd.ts';

/** One visitor may not write more within a minute, so another one comes. */
const MESSAGES_EACH = 8;

/** Sites with a visitor each, whose browser keeps its stream of events open. */
export async function startWidgetCrowd(companies: number): Promise<Crowd> {
  const sites = range(companies).map((company) => ({
    name: `site-${company}`,
    origin: `https://www.company-${company}.example`,
    secret: `secret-that-only-the-server-of-company-${company}-knows`,
  }));
  const visitors = sites.map((): VisitorClient[] => []);
  const said = sites.map(() => 0);
  let address = '';
  return {
    channel: 'widget',
    companies: sites.map(({ name, origin, secret }) => ({
      externalId: name,
      credentials: { secret },
      settings: { allowedOrigins: [origin] },
    })),
    platform: { signingSecret: null },
    async lead(url) {
      address = url;
    },
    isReached: () => true,
    async say(company, text) {
      const { name, origin, secret } = at(sites, company);
      const here = at(visitors, company);
      if (at(said, company) % MESSAGES_EACH === 0) {
        here.at(-1)?.disconnect();
        const token = tokenFor(`visitor-${company}-${here.length}`, { secret });
        const visitor = createVisitorClient({ url: address, connection: name, token, origin });
        here.push(visitor);
        await visitor.connect();
      }
      said[company] = at(said, company) + 1;
      const response = await at(here, here.length - 1).say(text);
      if (!response.ok) throw new Error(`The site of company ${company} answers ${response.status}.`);
    },
    shown: (company, text) =>
      at(visitors, company)
        .flatMap(({ messages }) => [...messages.values()])
        .filter(
          ({ from, provisional, text: shown }) => from === 'agent' && !provisional && shown.includes(text),
        ).length,
    async close() {
      for (const visitor of visitors.flat()) visitor.disconnect();
    },
  };
}
