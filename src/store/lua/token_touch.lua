-- Writes a token's record back, unless it was revoked meanwhile.
-- KEYS: tokens
-- ARGV: token id, sealed record
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
    return 1
end
return 0
