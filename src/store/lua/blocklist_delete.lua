-- Takes a recipient off a list; a list without entries is gone.
-- KEYS: names of all lists, entries of this one, order of this one
-- ARGV: hash of the list's name, hash of the recipient
-- Gives 1 if it was there, else 0.
local there = redis.call('HDEL', KEYS[2], ARGV[2])
redis.call('ZREM', KEYS[3], ARGV[2])
if redis.call('EXISTS', KEYS[2]) == 0 then
    redis.call('HDEL', KEYS[1], ARGV[1])
end
return there
