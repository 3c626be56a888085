import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  close(): void;
}

/** A certificate for 127.0.0.1 that nobody else vouches for. */
export function createTlsFiles(): TlsFiles {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-tls-'));
  const certificate = join(folder, 'certificate.pem');
  const key = join(folder, 'key.pem');
  execFileSync(
    'openssl',
    [
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ['-keyout', key, '-out', certificate],
    ].flat(),
    { stdio: 'ignore' },
  );
  return { certificate, key, close: () => rmSync(folder, { recursive: true, force: true }) };
}
