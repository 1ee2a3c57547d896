-- Removes a dead letter; without any left the account leaves the set. Needs no lease.
-- KEYS: dl:<acc>, dead
-- ARGV: account name, "<route>:<entry id>"
local removed = redis.call('HDEL', KEYS[1], ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then
    redis.call('SREM', KEYS[2], ARGV[1])
end
return removed
