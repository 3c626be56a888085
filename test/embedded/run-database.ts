/**
 * A process of its own that runs an embedded database until SIGTERM: what a test kills.
 * Usage: node run-database.ts DATA_DIR. Prints one line of JSON: what became of the start.
 */
import { isKonstructError } from '../../src/core/errors.ts';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { silentLog } from '../support/silent-log.ts';

const [dataDir] = process.argv.slice(2);
if (dataDir === undefined) throw new Error('usage: run-database.ts DATA_DIR');

try {
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
  process.stdout.write(`${JSON.stringify({ url: database.url, adopted: database.adopted })}\n`);
  const stayAlive = setInterval(() => {}, 60_000);
  process.once('SIGTERM', () => {
    clearInterval(stayAlive);
    void database.stop().then(() => process.exit(0));
  });
} catch (error) {
  if (!isKonstructError(error)) throw error;
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
}
