import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { runKonstruct } from '../support/run-konstruct.ts';

it('shows the way of a message on a machine that is set up for a real Slack and Redis, and touches neither', {
  timeout: 60_000,
}, async () => {
  let visits = 0;
  const redis = createServer((socket) => {
    visits += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => redis.listen(0, '127.0.0.1', resolve));
  try {
    const { code, stdout, stderr } = await runKonstruct('demo', {
      env: {
        HOME: process.env.HOME ?? '',
        SLACK_SIGNING_SECRET: 'shibboleth',
        SLACK_BOT_TOKEN: 'xoxb-1',
        SLACK_APP_TOKEN: 'xapp-1',
        SLACK_CLIENT_ID: '1.2',
        SLACK_CLIENT_SECRET: 'shibboleth',
        KONSTRUCT_ROLE: 'gateway',
        REDIS_URL: `redis://127.0.0.1:${(redis.address() as AddressInfo).port}`,
      },
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^ {2}delivered /m);
    expect(stdout).toMatch(/^Ada, in the thread:$/m);
    expect(code).toBe(0);
    expect(visits).toBe(0);
  } finally {
    redis.close();
  }
});
