import { afterEach, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, ask, idle, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { readMetrics } from '../support/read-metrics.ts';
import { SIGNING_SECRET } from '../support/signing-secret.ts';
import { signedSlackRequest } from '../support/slack-request.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { startTcpProxy, type TcpProxy, throughProxy } from '../support/tcp-proxy.ts';

let installation: Installation;
afterEach(() => installation.stop());

const mention = (text: string) => ({
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> ${text}`,
});
const seen = () => readMetrics(installation.app?.url ?? '');

describe('GET /metrics', () => {
  it('tells the way of an answered message', async () => {
    installation = await startInstallation({ app: { warmUp: true } });
    installation.model.respond(() => ({ text: 'Yes.' }));
    await ask(installation, mention('hello'));
    await idle(installation);
    const metrics = await seen();
    expect(metrics.value('konstruct_requests_total', { channel: 'slack', outcome: 'acked' })).toBeGreaterThan(
      0,
    );
    expect(metrics.value('konstruct_ack_seconds_count', { channel: 'slack' })).toBe(
      metrics.value('konstruct_requests_total', { channel: 'slack', outcome: 'acked' }),
    );
    expect(metrics.value('konstruct_events_total', { channel: 'slack', outcome: 'new' })).toBe(1);
    expect(metrics.value('konstruct_turns_total', { outcome: 'answered' })).toBe(1);
    expect(metrics.value('konstruct_turn_placeholder_seconds_count')).toBe(1);
    expect(metrics.value('konstruct_turn_answer_seconds_count')).toBe(1);
    const sent = { channel: 'slack', outcome: 'sent' };
    expect(metrics.value('konstruct_deliveries_total', { ...sent, kind: 'placeholder' })).toBe(1);
    expect(metrics.value('konstruct_deliveries_total', { ...sent, kind: 'answer' })).toBe(1);
    const model = { provider: 'openai-compatible', model: 'test' };
    expect(metrics.value('konstruct_model_attempts_total', { ...model, outcome: 'ok' })).toBe(1);
    expect(metrics.value('konstruct_model_attempt_seconds_count', model)).toBe(1);
    expect(metrics.value('konstruct_model_tokens_total', { ...model, kind: 'output' })).toBeGreaterThan(0);
    expect(metrics.value('konstruct_queue_waiting')).toBe(0);
    expect(metrics.value('konstruct_queue_oldest_seconds')).toBe(0);
    expect(metrics.value('konstruct_turns_running')).toBe(0);
    expect(metrics.value('konstruct_ready')).toBe(1);
    expect(metrics.value('konstruct_info', { role: 'all', version: 'test' })).toBe(1);
    const admit = (state: string) =>
      metrics.value('konstruct_database_connections', { pool: 'admit', state }) ?? 0;
    expect(admit('busy') + admit('idle')).toBe(4);
    expect(metrics.text).not.toContain(installation.tenants[0]?.tenantId);
  });

  it('counts a dead letter by its reason, beside the sentence in the thread and the line in the log', async () => {
    installation = await startInstallation({ app: { timing: { modelRetryDelaysMs: [] } } });
    installation.model.respond(() => ({ status: 400 }));
    const { sent } = await ask(installation, mention('hello'));
    await idle(installation);
    const metrics = await seen();
    expect(metrics.value('konstruct_dead_letters_total', { reason: 'model_rejected' })).toBe(1);
    expect(metrics.value('konstruct_dead_letters_total', { reason: 'model_unavailable' })).toBe(0);
    expect(metrics.value('konstruct_turns_total', { outcome: 'dead' })).toBe(1);
    expect(agentTexts(installation, sent)).toHaveLength(1);
    expect(installation.log.lines.filter(({ event }) => event === 'turn.model_failed')).toHaveLength(1);
  });

  it('counts a platform’s limits, retries, refused requests and unknown installations', async () => {
    installation = await startInstallation({ app: { timing: { modelRetryDelaysMs: [10] } } });
    const { simulator, model, app } = installation;
    let calls = 0;
    model.respond(() => {
      calls += 1;
      return calls <= 3 ? { status: 500 } : { text: 'At last.' };
    });
    simulator.faults.add({
      kind: 'api_rate_limited',
      retryAfterSeconds: 1,
      method: 'chat.update',
      remaining: 1,
    });
    await answerTo(installation, await simulator.say(mention('hello')), undefined, 30_000);
    await idle(installation);
    const refused = await fetch(`${app?.url}/slack/events`, { method: 'POST', body: '{}' });
    expect(refused.status).toBe(401);
    const stranger = JSON.stringify({
      type: 'event_callback',
      team_id: 'T0NOBODY',
      event_id: 'Ev1',
      event: { type: 'message', channel: 'C1', user: 'U1', text: 'x', ts: '1700000000.000001' },
    });
    const { headers, body } = signedSlackRequest(stranger, SIGNING_SECRET, Date.now());
    const unknown = await fetch(`${app?.url}/slack/events`, {
      method: 'POST',
      headers: headers as never,
      body: new Uint8Array(body),
    });
    expect(unknown.status).toBe(200);
    const metrics = await seen();
    expect(metrics.value('konstruct_platform_rate_limited_total', { channel: 'slack' })).toBe(1);
    expect(metrics.value('konstruct_turns_total', { outcome: 'retried' })).toBe(1);
    expect(metrics.value('konstruct_requests_total', { channel: 'slack', outcome: 'refused' })).toBe(1);
    expect(
      metrics.value('konstruct_events_total', { channel: 'slack', outcome: 'unknown_installation' }),
    ).toBe(1);
    const failed = { provider: 'openai-compatible', model: 'test', outcome: 'server_error' };
    expect(metrics.value('konstruct_model_attempts_total', failed)).toBe(3);
  });
});

describe('a worker without a gateway', () => {
  it('says that it lives, is ready and what it counts, and takes no requests of platforms', async () => {
    installation = await startInstallation({ app: null });
    const worker = await installation.startApp({ role: 'worker' });
    expect((await fetch(`${worker.url}/livez`)).status).toBe(200);
    expect(await (await fetch(`${worker.url}/readyz`)).json()).toEqual({ status: 'ready' });
    const metrics = await readMetrics(worker.url);
    expect(metrics.value('konstruct_info', { role: 'worker', version: 'test' })).toBe(1);
    expect((await fetch(`${worker.url}/slack/events`, { method: 'POST' })).status).toBe(404);
  });
});

describe('a gateway that stops', () => {
  it('is not ready from the first moment, takes requests for its grace, and asks connections to go elsewhere', async () => {
    installation = await startInstallation({ app: { warmUp: true } });
    const app = await installation.startApp({ role: 'gateway', timing: { stopGraceMs: 800 } });
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
    const stopping = app.stop();
    const ready = await fetch(`${app.url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([503, { status: 'stopping' }]);
    const sent = await installation.simulator.say(mention('in the grace'));
    expect(await sent.acked).toBe(true);
    expect((await fetch(`${app.url}/livez`)).headers.get('connection')).toBe('close');
    await stopping;
    await expect(fetch(`${app.url}/livez`)).rejects.toThrow();
    await answerTo(installation, sent); // by the other
  });

  it('is not ready when its database is away', async () => {
    let proxy: TcpProxy | null = null;
    installation = await startInstallation({
      app: { role: 'gateway' },
      async through(databaseUrl) {
        const { hostname, port } = new URL(databaseUrl);
        proxy = await startTcpProxy({ host: hostname, port: Number(port) });
        return throughProxy(databaseUrl, proxy);
      },
    });
    const status = async (path: string) => (await fetch(`${installation.app?.url}${path}`)).status;
    const cut = proxy as TcpProxy | null;
    try {
      expect(await status('/readyz')).toBe(200);
      await cut?.down();
      await until('it says so', async () => (await status('/readyz')) === 503);
      expect(await status('/livez')).toBe(200);
      await cut?.up();
      await until('it is back', async () => (await status('/readyz')) === 200);
    } finally {
      await installation.app?.stop();
      await cut?.close();
    }
  });
});
