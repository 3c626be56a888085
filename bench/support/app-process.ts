import { startApp } from '../../src/app.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createLog } from '../../src/telemetry/create-log.ts';
import { type AppProcessOptions, announce } from './contender-process.ts';
import { SIGNING_SECRET } from './events.ts';

/** The product under test as a process of its own, wired as in production: its log is written, journeys are not kept. */
const options = JSON.parse(process.argv[2] ?? '{}') as AppProcessOptions;
const app = await startApp({
  databaseUrl: options.databaseUrl,
  role: options.role,
  host: '127.0.0.1',
  port: options.port,
  cipher: createCipher([Buffer.from(options.masterKey, 'base64')]),
  slack: { signingSecret: SIGNING_SECRET, apiUrl: options.slackApiUrl },
  providerKeys: {},
  workerConcurrency: 50,
  retentionDays: 365,
  ledgerRetentionDays: 761,
  version: 'bench',
  log: createLog({ level: 'info' }),
  journeys: { mark() {} },
});
announce(Number(new URL(app.url).port), () => app.stop());
