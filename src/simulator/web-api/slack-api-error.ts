/** An answer `{"ok":false,"error":…}` of the Web API, with what Slack puts beside it. */
export class SlackApiError extends Error {
  readonly code: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(code: string, fields: Readonly<Record<string, unknown>> = {}) {
    super(code);
    this.name = 'SlackApiError';
    this.code = code;
    this.fields = fields;
  }
}

/** `invalid_arguments` with the reason, as Slack's argument check words it. */
export function invalidArguments(message: string): SlackApiError {
  return new SlackApiError('invalid_arguments', { response_metadata: { messages: [`[ERROR] ${message}`] } });
}
