import type { ProviderKeys, Route, RouteEntry } from '../core/model.ts';
import type { Provider } from './provider.ts';
import { anthropic } from './providers/anthropic.ts';
import { demo } from './providers/demo.ts';
import { google } from './providers/google.ts';
import { groq } from './providers/groq.ts';
import { mistral } from './providers/mistral.ts';
import { ollama } from './providers/ollama.ts';
import { openai } from './providers/openai.ts';

/**
 * The route `default` of an installation that stored none: every provider that has a key, then Ollama if its address
 * is set, else the scripted `demo`.
 */
export function defaultRoute(keys: ProviderKeys): Route {
  const configured = [anthropic, openai, google, mistral, groq].filter(({ name }) => keys[name]?.apiKey);
  const all = keys.ollama?.baseUrl ? [...configured, ollama] : configured;
  return { name: 'default', entries: (all.length > 0 ? all : [demo]).map(defaultEntry) };
}

function defaultEntry({ name, defaultModel }: Provider): RouteEntry {
  return { provider: name, model: defaultModel ?? '' };
}
