import { startWhatsAppServer } from '../../test/support/whatsapp/start-whatsapp-server.ts';
import { at, type Crowd, range } from './crowd.ts';

const appSecret = 'crowd-app-secret';
const handshakeToken = 'crowd-verify-token';

/** Numbers of one app at Meta. */
export async function startWhatsAppCrowd(companies: number): Promise<Crowd> {
  const numbers = range(companies).map((company) => ({
    phoneNumberId: String(106_540_352_242_922 + company),
    displayNumber: `+1 555-0${78_000 + company}`,
    verifiedName: `Company ${company}`,
    token: `EAAcrowd${company}`,
    appSecret,
  }));
  const whatsapp = await startWhatsAppServer(numbers);
  return {
    channel: 'whatsapp',
    companies: numbers.map(({ phoneNumberId, token }) => ({
      externalId: phoneNumberId,
      credentials: { accessToken: token },
    })),
    platform: { signingSecret: appSecret, handshakeToken, apiUrl: whatsapp.apiUrl },
    async lead(url) {
      for (const { phoneNumberId } of numbers)
        await whatsapp.subscribe(phoneNumberId, `${url}/whatsapp`, handshakeToken);
    },
    isReached: () => true,
    say: (company, text) => whatsapp.say(at(numbers, company).phoneNumberId, personOf(company), text),
    shown: (company, text) =>
      whatsapp.shown.filter(
        ({ phoneNumberId, body }) =>
          phoneNumberId === at(numbers, company).phoneNumberId && String(body.body ?? '').includes(text),
      ).length,
    close: () => whatsapp.close(),
  };
}

function personOf(company: number) {
  return {
    phone: String(16_505_551_000 + company),
    userId: `US.${13_491_208_655_302_740_000 + company}`,
    name: 'Mara',
  };
}
