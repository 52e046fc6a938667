-- ARGV: generation, min, max (lex), limit, bytes. Returns a cursor and then
-- keys and values by turns. The cursor is the last key looked at when there may
-- be more, else empty.
if redis.call('HGET', KEYS[1], '') ~= ARGV[1] or not redis.call('ZSCORE', KEYS[2], '') or not redis.call('ZSCORE', KEYS[3], '') then
  return redis.error_reply('WIPED')
end
local limit, room = tonumber(ARGV[4]), tonumber(ARGV[5])
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], ARGV[3], 'LIMIT', 0, limit)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ending = redis.call('ZCARD', KEYS[3]) > 1
local out = {''}
for i, key in ipairs(keys) do
  local ends = ending and redis.call('ZSCORE', KEYS[3], key)
  if not ends or tonumber(ends) > now then
    local value = redis.call('HGET', KEYS[1], key)
    if not value then return redis.error_reply('WIPED') end
    out[#out + 1] = key
    out[#out + 1] = value
    room = room - #key - #value
  end
  if room < 0 or i == limit then
    out[1] = key
    break
  end
end
return out
