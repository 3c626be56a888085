import type { Check } from './check.ts';
import { checkBotToken } from './check-bot-token.ts';
import { checkBudgets } from './check-budgets.ts';
import { checkCircuits } from './check-circuits.ts';
import { checkClock } from './check-clock.ts';
import { checkConfiguration } from './check-configuration.ts';
import { checkConnections } from './check-connections.ts';
import { checkDatabase } from './check-database.ts';
import { checkDeadLetters } from './check-dead-letters.ts';
import { checkMasterKey } from './check-master-key.ts';
import { checkModels } from './check-models.ts';
import { checkPublicUrl } from './check-public-url.ts';
import { checkRedis } from './check-redis.ts';
import { checkSocketMode } from './check-socket-mode.ts';
import { checkWebChat } from './check-web-chat.ts';

/** All that `konstruct doctor` looks at, in the order in which it is printed. */
export const checks: readonly Check[] = [
  checkConfiguration,
  checkDatabase,
  checkMasterKey,
  checkRedis,
  checkModels,
  checkCircuits,
  checkConnections,
  checkBotToken,
  checkSocketMode,
  checkWebChat,
  checkDeadLetters,
  checkBudgets,
  checkClock,
  checkPublicUrl,
];
