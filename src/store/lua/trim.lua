-- Removes old entries that every reader has passed, and remembers the last one removed in
-- field "t:" of the cursors: a reader before it has missed something.
-- KEYS: lease, epoch, log:<acc>, cur:<acc>
-- ARGV: owner, epoch, oldest time to keep in ms, then of each reader: its name, and the
--       entry id it starts from while it has no cursor
-- Gives the number of entries removed.
local error = fenced()
if error then
    return error
end

local function split(id)
    local ms, seq = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(ms) or 0, tonumber(seq) or 0
end

-- The last entry that may go: before the oldest time, and at no cursor's far side.
local function last_before(range_end)
    local found = redis.call('XREVRANGE', KEYS[3], range_end, '-', 'COUNT', 1)[1]
    return found and found[1]
end
local last = last_before('(' .. ARGV[3] .. '-0')
for i = 4, #ARGV, 2 do
    local cursor = redis.call('HGET', KEYS[4], ARGV[i]) or ARGV[i + 1]
    if last then
        local last_ms, last_seq = split(last)
        local ms, seq = split(cursor)
        if ms < last_ms or (ms == last_ms and seq < last_seq) then
            last = last_before(string.format('%.0f-%.0f', ms, seq))
        end
    end
end
if not last then
    return 0
end
local ms, seq = split(last)
redis.call('HSET', KEYS[4], 't:', last)
return redis.call('XTRIM', KEYS[3], 'MINID', string.format('%.0f-%.0f', ms, seq + 1))
