/** What `/metrics` of a process says. */
export interface ReadMetrics {
  readonly text: string;
  /** The value with exactly these labels, in any order; `null`: there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | null;
}

/** Reads the metrics of a process over HTTP. @throws Error when it does not answer with Prometheus' text format */
export async function readMetrics(url: string): Promise<ReadMetrics> {
  const answer = await fetch(`${url}/metrics`);
  const text = await answer.text();
  if (!answer.ok || !answer.headers.get('content-type')?.startsWith('text/plain; version=0.0.4'))
    throw new Error(
      `${url}/metrics: ${answer.status} ${answer.headers.get('content-type')} ${text.slice(0, 200)}`,
    );
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/i.exec(line) ?? [];
    if (name !== undefined) values.set(`${name} ${labels.split(',').sort().join()}`, Number(value));
  }
  return {
    text,
    value: (name, labels = {}) =>
      values.get(
        `${name} ${Object.entries(labels)
          .map(([label, value]) => `${label}="${value}"`)
          .sort()
          .join()}`,
      ) ?? null,
  };
}
