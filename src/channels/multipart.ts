/** One field of a form: a value, or a file. */
export type FormPart =
  | { readonly name: string; readonly value: string }
  | {
      readonly name: string;
      readonly fileName: string;
      readonly mediaType: string;
      readonly content: Uint8Array;
    };

const NEWLINE = '\r\n';

/**
 * A form with files as it goes over the wire.
 *
 * Source: RFC 7578; names are escaped as browsers do
 * (https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data).
 *
 * @param boundary what stands between the parts and in none of them: random
 */
export function multipart(
  parts: readonly FormPart[],
  boundary: string,
): { readonly contentType: string; readonly content: Uint8Array } {
  const chunks: (string | Uint8Array)[] = [];
  for (const part of parts) {
    const name = `form-data; name="${escaped(part.name)}"`;
    chunks.push(`--${boundary}${NEWLINE}`);
    if ('value' in part) {
      chunks.push(`content-disposition: ${name}${NEWLINE}${NEWLINE}${part.value}`);
    } else {
      chunks.push(
        `content-disposition: ${name}; filename="${escaped(part.fileName)}"${NEWLINE}`,
        `content-type: ${part.mediaType.replaceAll(/[^\x20-\x7e]/g, '')}${NEWLINE}${NEWLINE}`,
        part.content,
      );
    }
    chunks.push(NEWLINE);
  }
  chunks.push(`--${boundary}--${NEWLINE}`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    content: Buffer.concat(chunks.map((chunk) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk))),
  };
}

/** A name cannot end its header. */
function escaped(text: string): string {
  return text.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
}
