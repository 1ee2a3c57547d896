-- Stands in front of every script that writes for the owner of a shard (store_lua.c).
-- KEYS: lease, epoch, and a:<acc> where the incarnation is asked for
-- ARGV: owner, epoch, and the incarnation

-- The error to give unless the caller still holds the lease, in the same epoch.
local function fenced()
    if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
        return redis.error_reply('FENCED lease lost')
    end
end

-- The error to give unless, besides, the account is the one the caller knows.
local function refused()
    local error = fenced()
    if error then
        return error
    end
    local incarnation = redis.call('HGET', KEYS[3], 'inc')
    if not incarnation then
        return redis.error_reply('GONE account does not exist')
    end
    if incarnation ~= ARGV[3] then
        return redis.error_reply('STALE account was created anew')
    end
end

