import { anthropic } from './model-wire/anthropic.ts';
import { bedrock } from './model-wire/bedrock.ts';
import { chatCompletions, mistral, openModelServer } from './model-wire/chat-completions.ts';
import { google } from './model-wire/google.ts';
import { azure, openai } from './model-wire/openai.ts';
import type { WireProtocol } from './model-wire/wire-protocol.ts';

export type {
  MessageOnTheWire,
  ModelAnswer,
  PromptOnTheWire,
  WireProtocol,
} from './model-wire/wire-protocol.ts';

/** The protocols that the stand-in for model providers speaks. */
export const modelProtocols = [
  'anthropic',
  'openai',
  'openai-chat',
  'google',
  'bedrock',
  'azure',
  'mistral',
  'groq',
  'openrouter',
  'openai-compatible',
  'ollama',
] as const;
export type ModelProtocol = (typeof modelProtocols)[number];

export const wireProtocols: Readonly<Record<ModelProtocol, WireProtocol>> = {
  anthropic,
  openai,
  'openai-chat': { ...chatCompletions, basePath: '/openai-chat/v1', keyRequired: true },
  google,
  bedrock,
  azure,
  mistral,
  groq: { ...openModelServer, basePath: '/groq/openai/v1', keyRequired: true },
  openrouter: { ...openModelServer, basePath: '/openrouter/api/v1', keyRequired: true },
  'openai-compatible': openModelServer,
  ollama: { ...openModelServer, basePath: '/ollama/v1' },
};
