import { type RedisScript, redisScript } from './create-redis-link.ts';

/*
 * The two questions that gateways have for Redis. Both take a batch and see it through without anybody in between.
 *
 * Keys of a message, in this order: bucket, message, told, thread, incarnation. All carry the hash tag of their tenant.
 *   bucket       hash: t tokens, a when it was refilled (ms), s since when it is empty (ms), h tokens held, u until when
 *   message      c: paid, not known to be stored; x: stored, the agent was not asked; s: stored for the agent
 *   told         set: senders who know that the bucket is empty
 *   thread       there is, or will be, a conversation
 *   incarnation  gone when Redis has forgotten
 *
 * Time is Redis's own, so that gateways need not agree on theirs. The bucket is that of
 * migrations/functions/admit_batch.sql, statement by statement; test/contracts/admission-filter.test.ts holds both to it.
 */
const prologue = `
local DAY, PAID, IDLE, HOLD = 86400, 600, 180, 5000
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local events = cjson.decode(ARGV[1])
local buckets = {}

local function bucket(key, capacity)
  local b = buckets[key]
  if not b then
    local v = redis.call('HMGET', key, 't', 'a', 's', 'h', 'u')
    b = { t = tonumber(v[1]) or capacity, a = tonumber(v[2]) or now, s = tonumber(v[3]),
          h = tonumber(v[4]) or 0, u = tonumber(v[5]) or 0 }
    if b.u < now then b.h = 0 end -- whoever held them is gone
    buckets[key] = b
  end
  b.t = math.min(capacity, b.t + math.max(0, now - b.a) * capacity / 60000)
  b.a = now
  return b
end

local function keep()
  for key, b in pairs(buckets) do
    redis.call('HSET', key, 't', string.format('%.17g', b.t), 'a', string.format('%.17g', b.a),
      's', b.s and string.format('%.17g', b.s) or '', 'h', b.h, 'u', string.format('%.17g', b.u))
    redis.call('EXPIRE', key, IDLE) -- full again by then
  end
end
`;

/**
 * ARGV: events as JSON `[addressed, capacity, sender, incarnation of what we remember of the thread or '']`, and an id
 * for a Redis that has none. Returns JSON, one answer per event:
 *   ['d'] duplicate · ['n'] not engaged · ['l', retryAfterMs] limited, and told
 *   ['p', charged 0|1, held 0|1, incarnation or ''] · ['e', tokens, since, incarnation] the bucket is empty, but ask
 */
export const askScript = redisScript(`${prologue}
local answers = {}
local server

local function incarnation(key)
  -- The run id: a server that was restarted from an old copy, or a replica that took over, may have forgotten a little.
  if not server then
    local info = redis.pcall('INFO', 'server') -- a user may not be allowed to: then nothing is remembered
    server = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
  end
  if server == '' then return '' end
  local id = redis.call('GET', key)
  if not id then
    id = ARGV[2]
    redis.call('SET', key, id, 'EX', 7 * DAY)
  end
  return server .. id
end

for i, e in ipairs(events) do
  local addressed, capacity, sender, remembered = e[1], e[2], e[3], e[4]
  local k = (i - 1) * 5
  local bkey, message, told, thread = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4]
  local state = redis.call('GET', message)
  local memory = addressed == 'yes' and '' or incarnation(KEYS[k + 5])
  -- Before the conversation can begin: whoever remembers that there is none finds this first.
  if addressed == 'yes' then redis.call('SET', thread, '1', 'EX', DAY) end

  if state == 's' or (state == 'x' and addressed ~= 'yes') then
    answers[i] = { 'd' }
  elseif remembered ~= '' and remembered == memory and redis.call('EXISTS', thread) == 0 then
    answers[i] = { 'n' }
  elseif addressed == 'context' then
    answers[i] = { 'p', 0, 0, memory }
  elseif state == 'c' then
    answers[i] = { 'p', 1, 0, memory } -- its twin, or an attempt before this one, has paid
  else
    local b = bucket(bkey, capacity)
    if b.t >= capacity / 2 and b.s then
      b.s = nil -- the episode is over
      redis.call('DEL', told)
    end
    if b.t >= 1 then
      b.t = b.t - 1
      local held = 0
      if addressed == 'if_engaged' then
        held = 1
        b.h = b.h + 1
        b.u = now + HOLD
      end
      redis.call('SET', message, 'c', 'EX', PAID)
      answers[i] = { 'p', 1, held, memory }
    elseif addressed == 'yes' and b.t + b.h >= 1 then
      answers[i] = { 'p', 0, 0, memory } -- what is held may come back: PostgreSQL's bucket decides
    elseif addressed == 'if_engaged' then
      answers[i] = { 'e', b.t, b.s or math.floor(now), memory }
    else
      b.s = b.s or math.floor(now)
      if redis.call('SISMEMBER', told, sender) == 1 or redis.call('SCARD', told) >= 1000 then
        answers[i] = { 'l', math.ceil((1 - b.t) * 60000 / capacity) }
      else
        answers[i] = { 'e', b.t, b.s, memory }
      end
    end
  end
end
keep()
return cjson.encode(answers)
`);

/**
 * After the commit. ARGV: events as JSON `[new|context|refund|release|told, charged 0|1, held 0|1, capacity, sender, since]`.
 * A message costs one token however many copies of it are under way: the first to be settled as `new` uses what was
 * paid, a refund that came before it is taken back. `release` only lets go of what was held.
 */
export const settleScript = redisScript(`${prologue}
for i, e in ipairs(events) do
  local op, charged, held, capacity, sender, since = e[1], e[2], e[3], e[4], e[5], e[6]
  local k = (i - 1) * 5
  local bkey, message, told = KEYS[k + 1], KEYS[k + 2], KEYS[k + 3]
  local state = redis.call('GET', message)
  local function pay(tokens)
    local b = bucket(bkey, capacity)
    b.t = math.min(capacity, b.t + tokens)
  end
  if held == 1 then
    local b = bucket(bkey, capacity)
    b.h = math.max(0, b.h - 1)
  end
  if op == 'new' then
    if charged == 1 and state ~= 'c' and state ~= 's' then pay(-1) end
    if charged == 0 and state == 'c' then pay(1) end -- PostgreSQL's bucket has paid
    redis.call('SET', message, 's', 'EX', DAY)
  elseif op == 'context' then
    if state == 'c' then pay(1) end
    if state ~= 's' then redis.call('SET', message, 'x', 'EX', DAY) end
  elseif op == 'refund' then
    if state == 'c' then
      pay(1)
      redis.call('DEL', message)
    end
  elseif op == 'told' then
    local b = bucket(bkey, capacity)
    b.s = b.s or since
    if b.s == since then
      redis.call('SADD', told, sender)
      redis.call('EXPIRE', told, IDLE)
    end
  end
end
keep()
return #events
`);

export const admissionScripts: readonly RedisScript[] = [askScript, settleScript];
