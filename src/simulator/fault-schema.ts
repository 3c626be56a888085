import { z } from 'zod';

const MAXIMUM_DELAY_MS = 600_000;

const limits = {
  workspaceId: z.string().nullable().optional(),
  remaining: z.int().positive().nullable().optional(),
  untilMs: z.number().positive().nullable().optional(),
};
const event = { ...limits, event: z.string().optional() };
const method = { ...limits, method: z.string().optional() };
const delayMs = z.number().min(0).max(MAXIMUM_DELAY_MS);

/** `FaultRequest` of the control API. */
const faultSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('event_duplicate'), copies: z.int().min(1).max(100), ...event }),
  z.object({ kind: z.literal('event_drop'), ...event }),
  z.object({ kind: z.literal('event_delay'), delayMs, ...event }),
  z.object({ kind: z.literal('event_ack_lost'), ...event }),
  z.object({ kind: z.literal('api_delay'), delayMs, ...method }),
  z.object({ kind: z.literal('api_rate_limited'), retryAfterSeconds: z.int().min(0).max(3600), ...method }),
  z.object({ kind: z.literal('api_http_error'), status: z.int().min(500).max(599), ...method }),
  z.object({ kind: z.literal('api_error'), error: z.string().min(1), ...method }),
  z.object({ kind: z.literal('api_cut_before'), ...method }),
  z.object({ kind: z.literal('api_cut_after'), ...method }),
  z.object({ kind: z.literal('api_hang'), workDone: z.boolean(), ...method }),
  z.object({ kind: z.literal('outage'), ...limits }),
]);

/** `FaultPlanRequest` of the control API. What the page got with `GET` can be put back: ids are ignored. */
export const faultPlanSchema = z.object({
  pairOrder: z.enum(['message_first', 'mention_first', 'random']).optional(),
  pairGapMs: delayMs.optional(),
  realRateLimits: z.boolean().optional(),
  faults: z.array(faultSchema).max(100).optional(),
});
