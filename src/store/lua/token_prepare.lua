-- Makes the prepared token, once: a revoked one does not come back.
-- KEYS: tokens
-- ARGV: token id, sealed record
-- Gives 0 if it was made before and is not there any more.
if redis.call('HSETNX', KEYS[1], '!prepared:' .. ARGV[1], '1') == 1 then
    redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
end
return redis.call('HEXISTS', KEYS[1], ARGV[1])
