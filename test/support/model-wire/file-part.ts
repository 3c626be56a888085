import { demand, type Json } from './wire-protocol.ts';

/**
 * A file in a prompt, in the shape of any of the protocols, as a word that tests can read: `‹image/png 12 bytes›`; `null`:
 * the part is none.
 *
 * @throws Error in plain words when a provider would refuse it
 */
export function filePart(part: Json): string | null {
  const source = part.source as Json | undefined;
  if ((part.type === 'image' || part.type === 'document') && source?.type === 'base64')
    return word(String(source.media_type), source.data); // Anthropic
  if (part.type === 'image_url') {
    const image = part.image_url;
    return fromDataUrl(typeof image === 'string' ? image : (image as Json).url); // chat completions, Mistral
  }
  if (part.type === 'file') return fromDataUrl((part.file as Json).file_data); // chat completions
  if (part.type === 'input_image') return fromDataUrl(part.image_url); // OpenAI's responses
  if (part.type === 'input_file') return fromDataUrl(part.file_data);
  const inline = part.inlineData as Json | undefined;
  if (inline !== undefined) return word(String(inline.mimeType), inline.data); // Gemini
  for (const kind of ['image', 'document'] as const) {
    const block = part[kind] as Json | undefined; // Bedrock
    if (block === undefined || block.format === undefined) continue;
    const type = kind === 'image' ? `image/${block.format}` : `application/${block.format}`;
    if (kind === 'document')
      demand(
        /^[A-Za-z0-9 ()[\]-]{1,200}$/.test(String(block.name)),
        'document: the name has other characters',
      );
    return word(type, (block.source as Json).bytes);
  }
  return null;
}

function fromDataUrl(url: unknown): string {
  const [, mediaType, data] = /^data:([\w./+-]+);base64,(.*)$/s.exec(String(url)) ?? [];
  demand(mediaType !== undefined, 'a data URL is required');
  return word(mediaType as string, data);
}

function word(mediaType: string, data: unknown): string {
  demand(typeof data === 'string' && /^[A-Za-z0-9+/]+={0,2}$/.test(data), 'the data is not base64');
  demand(/^(image\/(png|jpeg|gif|webp)|application\/pdf)$/.test(mediaType), `unsupported ${mediaType}`);
  return `‹${mediaType} ${Buffer.byteLength(data as string, 'base64')} bytes›`;
}
