import { invalidArguments, SlackApiError } from './slack-api-error.ts';

/**
 * The arguments of a Web API call. Forms carry everything as strings, objects among them as JSON; JSON bodies carry
 * types. Both mean the same to Slack. Source: https://docs.slack.dev/apis/web-api/#methods_supporting_json
 */
export interface ApiArguments {
  /** `undefined` when absent or empty. */
  text(name: string): string | undefined;
  /** @throws SlackApiError `invalid_arguments` */
  requiredText(name: string): string;
  flag(name: string): boolean;
  /** @throws SlackApiError `invalid_arguments` when it is no whole number */
  integer(name: string): number | undefined;
  /**
   * An object or list; `undefined` when absent.
   * @throws SlackApiError with the given code when it is not valid JSON
   */
  json(name: string, errorCode: string): unknown;
  /** Whether the argument was given at all, empty or not. */
  has(name: string): boolean;
  /** Of all that were given. */
  readonly names: readonly string[];
}

/**
 * @param contentType of the request; absent with an empty body
 * @throws SlackApiError `invalid_json`, `json_not_object`, `invalid_post_type`
 */
export function parseArguments(
  body: string,
  contentType: string | undefined,
  query: Readonly<Record<string, unknown>>,
): ApiArguments {
  return apiArguments({ ...query, ...parseBody(body, contentType) });
}

function parseBody(body: string, contentType: string | undefined): Readonly<Record<string, unknown>> {
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase();
  if (body === '') return {};
  if (mediaType === 'application/x-www-form-urlencoded') {
    return Object.fromEntries(new URLSearchParams(body));
  }
  if (mediaType !== 'application/json') {
    throw new SlackApiError(mediaType === undefined ? 'missing_post_type' : 'invalid_post_type');
  }
  const parsed = parseJson(body, 'invalid_json');
  if (!isObject(parsed)) throw new SlackApiError('json_not_object');
  return parsed;
}

function apiArguments(values: Readonly<Record<string, unknown>>): ApiArguments {
  const text = (name: string): string | undefined => {
    const value = values[name];
    if (value === undefined || value === null || value === '') return undefined;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  };
  return {
    text,
    names: Object.keys(values),
    requiredText(name) {
      const value = text(name);
      if (value === undefined) throw invalidArguments(`missing required field: ${name}`);
      return value;
    },
    flag(name) {
      return ['true', '1'].includes(text(name) ?? '');
    },
    integer(name) {
      const value = text(name);
      if (value === undefined) return undefined;
      if (!/^\d+$/.test(value)) throw invalidArguments(`must be a valid integer [json-pointer:/${name}]`);
      return Number(value);
    },
    json(name, errorCode) {
      const value = values[name];
      if (value === undefined || value === null || value === '') return undefined;
      return typeof value === 'string' ? parseJson(value, errorCode) : value;
    },
    has(name) {
      return values[name] !== undefined && values[name] !== null;
    },
  };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string, errorCode: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What the caller sent is what Slack talks about, not our parser's message.
    throw new SlackApiError(errorCode);
  }
}
