import { expect, it } from 'vitest';
import { secretInAddress } from './secret-in-address.ts';

it.each([
  'https://bot:hunter2@llm.example.com/v1',
  'https://bot@llm.example.com/v1',
  'https://:hunter2@llm.example.com/v1',
])('an address with a user name or password holds a secret: %s', (address) => {
  expect(secretInAddress(address)).toBe('a user name or password before the @');
});

it.each([
  'key',
  'api_key',
  'apikey',
  'apiKey',
  'api-key',
  'x-api-key',
  'subscription-key',
  'access_token',
  'token',
  'client_secret',
  'password',
  'auth',
  'sig',
  'code',
])('so does one with the parameter %s, and the value is not told', (name) => {
  const found = secretInAddress(`https://llm.example.com/v1?version=1&${name}=hunter2`);
  expect(found).toBe(`a secret in its parameter ${name}`);
});

it.each([
  'https://llm.example.com/v1',
  'https://llm.example.com/v1?api-version=2024-10-21&monkey=1&encode=utf8&design=x',
  'https://llm.example.com/key/@/v1#token=1',
  'no address',
])('others hold none: %s', (address) => {
  expect(secretInAddress(address)).toBeNull();
});
