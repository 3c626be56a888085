import { CHECK_TIMEOUT_MS, type Check, ok, problem, warning } from './check.ts';

/** Whether platforms would reach this installation, as far as that can be told from here. */
export const checkPublicUrl: Check = {
  name: 'Public URL',
  async run({ config: { publicUrl, slack }, fetch, signal }) {
    if (publicUrl === null && slack.appToken !== null) {
      return [ok('There is none, and Socket Mode needs none.')];
    }
    if (publicUrl === null) {
      return [
        warning(
          'KONSTRUCT_PUBLIC_URL is not set, so nobody can tell where platforms reach this installation.',
          'Set it to the https address that leads here, such as https://konstruct.example.com.',
        ),
      ];
    }
    const insecure = publicUrl.startsWith('https:')
      ? []
      : [
          problem(
            `${publicUrl} is not https.`,
            'Put TLS in front of it: Slack sends to https addresses only.',
          ),
        ];
    return [...insecure, await askHealth(publicUrl, fetch, signal)];
  },
};

async function askHealth(publicUrl: string, fetch: typeof globalThis.fetch, signal: AbortSignal) {
  try {
    const response = await fetch(`${publicUrl}/health`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]),
      redirect: 'manual',
    });
    const body = await response.text();
    if (response.status === 200 && body.includes('"status":"ok"')) return ok(`${publicUrl} answers.`);
    if (response.status === 503 && body.includes('"status"')) {
      return problem(`${publicUrl} answers, but is not healthy.`, `Read ${publicUrl}/health for the reason.`);
    }
    return problem(
      `${publicUrl}/health answers with status ${response.status}, and not as Konstruct does.`,
      'Check where the address leads, and that a proxy passes every path on unchanged.',
    );
  } catch {
    signal.throwIfAborted();
    return problem(
      `${publicUrl} cannot be reached from this machine.`,
      'Start `konstruct serve`; check DNS, the certificate and the firewall.',
    );
  }
}
