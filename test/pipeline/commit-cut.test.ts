import { afterEach, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import { startTcpProxy, throughProxy } from '../support/tcp-proxy.ts';
import {
  acmeNumber,
  startWhatsAppInstallation,
  type WhatsAppInstallation,
} from '../support/whatsapp/start-whatsapp-installation.ts';

let installation: WhatsAppInstallation;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const turns = () => installation.query('select status, error_code from konstruct.turns');

/** A gateway, and a worker behind a proxy that answers a person; the answer is committed, and the worker hears nothing of it. */
async function cutBetweenCommitAndReply() {
  installation = await startWhatsAppInstallation({ app: { role: 'gateway' } });
  closing.push(() => installation.stop());
  const { whatsapp, model } = installation;
  const { hostname, port } = new URL(installation.databaseUrl);
  const proxy = await startTcpProxy({ host: hostname, port: Number(port) });
  closing.push(() => proxy.close());
  const worker = await installation.startWorker({
    databaseUrl: throughProxy(installation.databaseUrl, proxy),
    timing: { deliveryRetryDelaysMs: [], modelRetryDelaysMs: [], stopDeadlineMs: 0 },
  });
  model.respond(async () => {
    proxy.mute();
    return 'The answer.';
  });
  const mara = installation.newPerson();
  await whatsapp.say(acmeNumber.phoneNumberId, mara, 'hi');
  await until('it is committed', async () => (await turns())[0]?.status === 'committed');
  return { mara, worker, proxy };
}

async function isAnsweredOnce({ mara }: { readonly mara: Parameters<typeof installation.texts>[0] }) {
  await until('it has ended', async () => (await turns())[0]?.status !== 'committed', 20_000);
  expect(await turns()).toEqual([{ status: 'answered', error_code: null }]);
  expect(installation.texts(mara)).toEqual(['The answer.']);
}

it('an answer of whose commit the worker was not told is sent, as nobody else can have sent it', async () => {
  const cut = await cutBetweenCommitAndReply();
  await cut.proxy.down();
  await cut.proxy.up();
  await isAnsweredOnce(cut);
});

it('so it is by the next worker when this one has to stop meanwhile', async () => {
  const cut = await cutBetweenCommitAndReply();
  await cut.proxy.down();
  await until('the worker knows', () =>
    installation.log.lines.some(({ event }) => event === 'turn.write_delayed'),
  );
  await cut.proxy.up();
  await cut.worker.stop();
  await installation.startWorker({});
  await isAnsweredOnce(cut);
});
