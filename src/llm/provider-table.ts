import type { ProviderName } from '../core/model.ts';
import type { Provider } from './provider.ts';
import { anthropic } from './providers/anthropic.ts';
import { azure } from './providers/azure.ts';
import { bedrock } from './providers/bedrock.ts';
import { demo } from './providers/demo.ts';
import { google } from './providers/google.ts';
import { groq } from './providers/groq.ts';
import { mistral } from './providers/mistral.ts';
import { ollama } from './providers/ollama.ts';
import { openai } from './providers/openai.ts';
import { openaiCompatible } from './providers/openai-compatible.ts';
import { openrouter } from './providers/openrouter.ts';

/** Every provider that a route may name. A new one is a file under `providers/` and a line here. */
export const providerTable: Readonly<Record<ProviderName, Provider>> = {
  anthropic,
  openai,
  google,
  bedrock,
  azure,
  mistral,
  groq,
  openrouter,
  ollama,
  'openai-compatible': openaiCompatible,
  demo,
};
