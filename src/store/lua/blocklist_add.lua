-- Puts a recipient on a list, unless it is there.
-- KEYS: names of all lists, entries of this one, order of this one
-- ARGV: hash of the list's name, sealed name, hash of the recipient, sealed record, time in ms,
--       most lists, most entries
-- Gives 1 if it was added, else 0.
if redis.call('HEXISTS', KEYS[2], ARGV[3]) == 1 then
    return 0
end
local is_new = redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0
if (is_new and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]))
    or redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[7]) then
    return redis.error_reply('FULL block list')
end
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[3])
return 1
