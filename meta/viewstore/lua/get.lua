-- ARGV: generation, key. Returns the value or nil.
if redis.call('HGET', KEYS[1], '') ~= ARGV[1] or not redis.call('ZSCORE', KEYS[3], '') then
  return redis.error_reply('WIPED')
end
local value = redis.call('HGET', KEYS[1], ARGV[2])
if not value then return false end
local ends = redis.call('ZSCORE', KEYS[3], ARGV[2])
if ends then
  local time = redis.call('TIME')
  if tonumber(ends) <= time[1] * 1000 + math.floor(time[2] / 1000) then return false end
end
return value
