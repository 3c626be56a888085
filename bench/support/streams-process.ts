import { openPool, requestOf } from './open-pool.ts';
import { unmeteredBudget } from './unmetered-budget.ts';

/** Opens streams to a stand-in, reads the first token of each, and says how much memory it has while none has ended. */
const [baseUrl = '', streams = '0'] = process.argv.slice(2);
const { stream } = openPool(baseUrl, unmeteredBudget);
const open = await Promise.all(
  Array.from({ length: Number(streams) }, async () => {
    const events = stream(requestOf([{ role: 'user', content: 'hang' }]))[Symbol.asyncIterator]();
    await events.next();
    return events;
  }),
);
process.send?.(Math.round(process.memoryUsage().rss / 1024 / 1024));
await Promise.all(open.map((events) => events.return?.(undefined)));
