-- Takes or renews the lease of one shard.
-- KEYS: lease, epoch
-- ARGV: owner ("node:incarnation"), node, ttl in ms, epoch held before (0 = never)
-- Gives {epoch, 0} if the lease is ours, or {0, ms until it may be free}.
local owner = redis.call('GET', KEYS[1])
local epoch = redis.call('GET', KEYS[2])
local first = ARGV[4] == '0'

if owner == ARGV[1] and epoch then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    return {tonumber(epoch), 0}
end
if not owner and not first and epoch == ARGV[4] then
    -- It ran out, but nobody had it in between: nothing was written that we do not know.
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
    return {tonumber(epoch), 0}
end
-- A restarted node takes its own leases back. A running one that finds a newer incarnation
-- of itself has lost instead.
local own = ARGV[2] .. ':'
if owner and owner ~= ARGV[1] and not (first and string.sub(owner, 1, #own) == own) then
    local left = redis.call('PTTL', KEYS[1])
    if left < 0 then left = tonumber(ARGV[3]) end
    return {0, left}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return {redis.call('INCR', KEYS[2]), 0}
