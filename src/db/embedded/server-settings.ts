/**
 * PostgreSQL for one company's machine rather than for a database server. Given on the command line, never written
 * into the cluster's files: so an update of Konstruct changes them for clusters that exist.
 */
export const serverSettings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  // No socket file: its path would be too long in deep folders and unreachable in closed ones.
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '128MB',
  fsync: 'on',
  synchronous_commit: 'on',
  // No replicas: less is written, and fewer processes run.
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  // The plans of a new database are for empty tables. A burst in its first minute costs ever more (measured: 5 ms a turn
  // at 3,000 turns instead of 0.8) until autovacuum has counted the rows, so it looks sooner than after a minute.
  autovacuum_naptime: '10s',
  // Each of those looks reads 300 rows per step of this target and sorts every column of them; with the default of 100 that
  // was a sixth of PostgreSQL's time at 50 turns a second. The hot plans are pinned, so a rough picture will do.
  default_statistics_target: '10',
  // Compiling pays for queries of seconds; ours take milliseconds.
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  // Errors go to the client, who logs them. Here they would repeat statements and values: the text of messages.
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
};
