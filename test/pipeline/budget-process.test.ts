import { afterEach, beforeEach, expect, it } from 'vitest';
import { ask, idle, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
beforeEach(async () => {
  installation = await startInstallation();
});
afterEach(() => installation.stop());

const ledger = () =>
  installation.query('select outcome, nano_usd::int as nano from konstruct.model_calls order by at');

it('a process counts what another set aside that died', { timeout: 40_000 }, async () => {
  const [tenant] = installation.tenants;
  await installation.query(
    `insert into konstruct.budget_reservations (tenant_id, id, owner, provider, model, nano_usd, price_version,
       input_tokens, output_tokens, at, lease_until)
     values ($1, gen_random_uuid(), 'who died', 'openai', 'gpt-5.4', 7, 'test', 1, 1, now() - interval '2 minutes',
       now() - interval '1 minute')`,
    [tenant?.tenantId],
  );
  await expect.poll(ledger, { timeout: 30_000 }).toEqual([{ outcome: 'lost', nano: 7 }]);
});

it('a process that is stopped waits for what its calls cost to be written', async () => {
  // The database is away for a moment: for the first two times that the call would be written.
  await installation.query(`
    create sequence konstruct.tries;
    grant usage on sequence konstruct.tries to public;
    create function konstruct.be_away() returns trigger language plpgsql as $$
    begin
      if nextval('konstruct.tries') <= 2 then raise exception 'away' using errcode = '57P03'; end if;
      return new;
    end $$;
    create trigger away before insert on konstruct.model_calls for each row execute function konstruct.be_away();`);
  const { answer } = await ask(installation, {
    workspaceId: acme.workspaceId,
    channelId: acme.general,
    userId: acme.mara,
    text: `<@${acme.agent}> please`,
  });
  expect(textOf(answer)).toMatch(/^You said/);
  await idle(installation);
  await installation.app?.stop();
  expect(await ledger()).toEqual([{ outcome: 'ok', nano: 0 }]);
});
