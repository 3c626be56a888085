/** What the simulator's own callers did wrong or waited for in vain; Slack's errors are `SlackApiError`. */
export class SimulatorError extends Error {
  /** `not_found`, `invalid_request`, `forbidden`, `timeout`, `stopped`. */
  readonly code: string;
  /** HTTP status where it reaches the control API. */
  readonly status: number;

  constructor(code: string, status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SimulatorError';
    this.code = code;
    this.status = status;
  }
}
