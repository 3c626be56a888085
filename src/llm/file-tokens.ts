import type { FileKind, ModelRequest, PromptFile, RouteEntry } from '../core/model.ts';
import type { PromptSize } from './estimate-tokens.ts';
import type { Provider } from './provider.ts';
import { providerTable } from './provider-table.ts';

/** What a page of a PDF or a picture usually comes to, where nothing is known of it. */
const LIKELY_IMAGE_TOKENS = 1_600;
const LIKELY_PAGE_TOKENS = 2_500;
/** No provider that we know makes more of one picture; those that make fewer say so (`Provider.maxImageTokens`). */
const MAX_IMAGE_TOKENS = 50_000;
/** No model reads more: a longer prompt is refused, and a refusal costs nothing. */
const LONGEST_PROMPT = 2_000_000;
/** Around a file: its name, and what providers put about it. */
const TOKENS_AROUND = 300;

/** What a model of this provider looks at itself, as far as the route or its name tells. */
export function acceptedFiles(
  entry: Pick<RouteEntry, 'accepts'>,
  provider: Provider,
  model: string,
): readonly FileKind[] {
  return entry.accepts ?? provider.accepts?.(model) ?? [];
}

/**
 * The size of a request with its files, for one model: of those that it takes the documented upper bound, whatever their
 * bytes are; the others are names. A page of a PDF counts as a picture and as all bytes that may draw its text.
 */
export function sizeWithFiles(size: PromptSize, request: ModelRequest, entry: RouteEntry): PromptSize {
  const files = request.messages.flatMap((message) => (message.role === 'user' ? (message.files ?? []) : []));
  if (files.length === 0 || !Object.hasOwn(providerTable, entry.provider)) return size;
  const provider = providerTable[entry.provider];
  const accepted = acceptedFiles(entry, provider, entry.model);
  const imageTokens = provider.maxImageTokens?.(entry.model) ?? MAX_IMAGE_TOKENS;
  const shown = files.filter(({ kind }) => accepted.includes(kind));
  const around = files.length * TOKENS_AROUND;
  const most = shown.reduce((sum, file) => sum + maxTokensOf(file, imageTokens), 0);
  return {
    maxTokens: size.maxTokens + around + Math.min(most, LONGEST_PROMPT),
    likelyTokens: size.likelyTokens + around + shown.reduce((sum, file) => sum + likelyTokensOf(file), 0),
  };
}

function likelyTokensOf(file: PromptFile): number {
  return file.kind === 'image' ? LIKELY_IMAGE_TOKENS : file.pages * LIKELY_PAGE_TOKENS;
}

function maxTokensOf(file: PromptFile, imageTokens: number): number {
  return file.kind === 'image' ? imageTokens : file.pages * imageTokens + file.textBytes;
}
