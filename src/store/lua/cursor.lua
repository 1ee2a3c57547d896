-- Moves a reader's cursor and marks whether the account's log is ahead of any reader.
-- KEYS: lease, epoch, a:<acc>, cur:<acc>, log:<acc>, dirty
-- ARGV: owner, epoch, incarnation, account name, reader, entry id, the moves of the cursor
--       that the caller knows of (replay.lua), then the readers whose cursors count
local error = refused()
if error then
    return error
end
if (redis.call('HGET', KEYS[4], 'g:' .. ARGV[5]) or '0') ~= ARGV[7] then
    return redis.error_reply('STALE cursor was moved')
end

local function before(a, b)
    local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
    local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
    if not a_ms then
        return true
    end
    a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
    return a_ms < b_ms or (a_ms == b_ms and tonumber(a_seq) < tonumber(b_seq))
end

redis.call('HSET', KEYS[4], ARGV[5], ARGV[6])
local last = redis.call('XREVRANGE', KEYS[5], '+', '-', 'COUNT', 1)[1]
local behind = false
for i = 8, last and #ARGV or 0 do
    local cursor = redis.call('HGET', KEYS[4], ARGV[i])
    behind = behind or not cursor or before(cursor, last[1])
end
if behind then
    redis.call('SADD', KEYS[6], ARGV[4])
else
    redis.call('SREM', KEYS[6], ARGV[4])
end
return redis.status_reply('OK')
