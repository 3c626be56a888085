import { CHECK_TIMEOUT_MS, type Check, type Finding, ok, warning } from './check.ts';
import { ownAddress } from './own-address.ts';

/**
 * What the process that runs on this machine leaves alone at the moment: models whose circuit is open, keys that were refused
 * or are at their limit. Each process sees that for itself, so it is asked for its metrics; others on other machines have their own.
 */
export const checkCircuits: Check = {
  name: 'Circuits',
  async run({ config, fetch, signal }) {
    const address = ownAddress(config);
    let text: string;
    try {
      const response = await fetch(`${address}/metrics`, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]),
        redirect: 'manual',
      });
      text = response.status === 200 ? await response.text() : '';
    } catch {
      signal.throwIfAborted();
      return [ok(`Nothing runs at ${address}, so no model or key is left alone there.`)];
    }
    if (!text.includes('konstruct_')) return [ok(`What runs at ${address} is no process of Konstruct.`)];
    const findings = [...gaugesOf(text)].flatMap(({ name, labels, value }) => describe(name, labels, value));
    return findings.length > 0
      ? findings
      : [ok(`The process at ${address} leaves no model and no key alone.`)];
  },
};

interface Gauge {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Source: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */
function* gaugesOf(text: string): Generator<Gauge> {
  for (const line of text.split('\n')) {
    const [, name, written = '', value] = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const labels = [...written.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(
      ([, label = '', quoted = '']) => [label, quoted.replaceAll(/\\(.)/g, '$1')] as const,
    );
    yield { name, labels: Object.fromEntries(labels), value: Number(value) };
  }
}

function describe(
  name: string,
  { provider, model, state }: Gauge['labels'],
  value: number,
): readonly Finding[] {
  if (!(value > 0)) return [];
  const keys = value === 1 ? '1 key' : `${value} keys`;
  switch (`${name} ${state ?? ''}`.trim()) {
    case 'konstruct_model_circuits_open':
      return [
        warning(
          `${provider} ${model} failed so often that calls go to the next model (open circuit).`,
          'It is tried again every 10 seconds; `model.attempt_failed` in the log says what fails.',
        ),
      ];
    case 'konstruct_model_keys_set_aside dead':
      return [
        warning(
          `${keys} of ${provider} ${value === 1 ? 'was' : 'were'} refused and set aside for 15 minutes.`,
          'See Models above for which; replace it, or the provider’s account needs attention.',
        ),
      ];
    case 'konstruct_model_keys_set_aside limited':
      return [
        warning(
          `${keys} of ${provider} ${value === 1 ? 'is' : 'are'} at the rate limit.`,
          'Add keys, ask the provider for more, or set MODEL_CONCURRENCY and MODEL_TOKENS_PER_MINUTE.',
        ),
      ];
    case 'konstruct_model_calls waiting':
      return [
        warning(
          `${value} calls to ${provider} wait for our own limit.`,
          'Raise MODEL_CONCURRENCY or MODEL_TOKENS_PER_MINUTE if the provider allows more.',
        ),
      ];
    default:
      return [];
  }
}
