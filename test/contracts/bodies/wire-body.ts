/** One kind of body that a platform sends, with everything that is read of it. */
export interface WireBody {
  readonly kind: string;
  readonly sample: unknown;
  /** Absent: the channel's own path. */
  readonly path?: string;
  /** A form: with the JSON as its `payload`, or with the sample's fields. Absent: the body is the JSON. */
  readonly form?: 'payload' | 'fields';
}

export interface EncodedBody {
  readonly contentType: string;
  readonly body: Buffer;
}

const FORM = 'application/x-www-form-urlencoded';

/** The body of a request with this JSON in place of the sample's. */
export function encodeBody({ form }: Pick<WireBody, 'form'>, json: string): EncodedBody {
  if (form === undefined) return { contentType: 'application/json', body: Buffer.from(json) };
  const fields = form === 'payload' ? { payload: json } : fieldsOf(json);
  return { contentType: FORM, body: Buffer.from(new URLSearchParams(fields).toString()) };
}

/** A form has texts only; what is no JSON is no form either. */
function fieldsOf(json: string): Record<string, string> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return { [json]: '' };
  }
  return Object.fromEntries(
    Object.entries(Object(value) as object).map(([name, field]) => [
      name,
      typeof field === 'object' ? '' : String(field),
    ]),
  );
}
