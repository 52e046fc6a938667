-- ARGV: generation, lease in ms, keys to purge at most, then for each operation
-- kind, key, value, time to live in ms (0: none). Expectations come first.
local data, order, expiry = KEYS[1], KEYS[2], KEYS[3]
if redis.call('HGET', data, '') ~= ARGV[1] or not redis.call('ZSCORE', order, '') or not redis.call('ZSCORE', expiry, '') then
  return redis.error_reply('WIPED')
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for i = 4, #ARGV, 4 do
  local kind, key = ARGV[i], ARGV[i + 1]
  if kind == 'E' or kind == 'A' then
    local value = redis.call('HGET', data, key)
    local ends = value and redis.call('ZSCORE', expiry, key)
    if ends and tonumber(ends) <= now then value = false end
    if (kind == 'A' and value) or (kind == 'E' and value ~= ARGV[i + 2]) then
      return redis.error_reply('CONFLICT')
    end
  end
end

for _, key in ipairs(redis.call('ZRANGEBYSCORE', expiry, '-inf', now, 'LIMIT', 0, ARGV[3])) do
  redis.call('HDEL', data, key)
  redis.call('ZREM', order, key)
  redis.call('ZREM', expiry, key)
end

for i = 4, #ARGV, 4 do
  local kind, key, ttl = ARGV[i], ARGV[i + 1], tonumber(ARGV[i + 3])
  if kind == 'S' then
    redis.call('HSET', data, key, ARGV[i + 2])
    redis.call('ZADD', order, 0, key)
    if ttl > 0 then
      redis.call('ZADD', expiry, now + ttl, key)
    else
      redis.call('ZREM', expiry, key)
    end
  elseif kind == 'D' then
    redis.call('HDEL', data, key)
    redis.call('ZREM', order, key)
    redis.call('ZREM', expiry, key)
  end
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return 1
