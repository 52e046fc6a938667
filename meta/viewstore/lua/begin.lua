-- Adopts a scope or starts an empty one; see redis.go for the keys.
-- ARGV: generation to start with, lease in ms. Returns generation, 1 if fresh.
local generation = redis.call('HGET', KEYS[1], '')
local fresh = 0
if not (generation and redis.call('ZSCORE', KEYS[2], '') and redis.call('ZSCORE', KEYS[3], '')) then
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
  generation, fresh = ARGV[1], 1
  redis.call('HSET', KEYS[1], '', generation)
  redis.call('ZADD', KEYS[2], 0, '')
  redis.call('ZADD', KEYS[3], '+inf', '')
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return {generation, fresh}
