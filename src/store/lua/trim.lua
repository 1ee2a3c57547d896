-- Trims a log, and the feed of its shard, and remembers the last entry removed in field
-- "t:" of the cursors: a reader before it has missed something. Age and number remove only
-- what every reader given has passed; the limit of bytes removes the oldest whoever waits.
-- KEYS: lease, epoch, log:<acc>, cur:<acc>, feed
-- ARGV: owner, epoch, oldest time to keep in ms, most entries, most bytes (0 = no limit),
--       then of each reader: its name, and the entry id it starts from while it has no
--       cursor
-- Gives {entries removed, entries left, bytes left}.
local error = fenced()
if error then
    return error
end

local log, page = KEYS[3], 1000 -- entries removed at most in one step

local function split(id)
    local ms, seq = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(ms) or 0, tonumber(seq) or 0
end

local function before(a, b)
    local a_ms, a_seq = split(a)
    local b_ms, b_seq = split(b)
    return a_ms < b_ms or (a_ms == b_ms and a_seq < b_seq)
end

local function last_before(stream, range_end)
    local found = redis.call('XREVRANGE', stream, range_end, '-', 'COUNT', 1)[1]
    return found and found[1]
end

-- The n-th entry, but not beyond a page.
local function nth(n)
    if n <= 0 then
        return nil
    end
    local found = redis.call('XRANGE', log, '-', '+', 'COUNT', math.min(n, page))
    return #found > 0 and found[#found][1] or nil
end

local function remove_up_to(last)
    local ms, seq = split(last)
    redis.call('HSET', KEYS[4], 't:', last)
    return redis.call('XTRIM', log, 'MINID', string.format('%.0f-%.0f', ms, seq + 1))
end

-- Some hosted servers do not say.
local function bytes_used()
    local used = redis.pcall('MEMORY', 'USAGE', log)
    return type(used) == 'number' and used or 0
end

local removed = 0
local last = last_before(log, '(' .. ARGV[3] .. '-0')
local max_entries, max_bytes = tonumber(ARGV[4]), tonumber(ARGV[5])
local surplus = max_entries > 0 and nth(redis.call('XLEN', log) - max_entries)
if surplus and (not last or before(last, surplus)) then
    last = surplus
end
for i = 6, #ARGV, 2 do
    local cursor = redis.call('HGET', KEYS[4], ARGV[i]) or ARGV[i + 1]
    if last and before(cursor, last) then
        local ms, seq = split(cursor)
        last = last_before(log, string.format('%.0f-%.0f', ms, seq))
    end
end
if last then
    removed = remove_up_to(last)
end

local left, used = redis.call('XLEN', log), bytes_used()
if max_bytes > 0 and used > max_bytes then
    -- A little more than needed, so that not every append has to trim.
    local keep = math.floor(left * max_bytes / used * 0.9)
    while left > keep do
        local count = remove_up_to(nth(left - keep))
        if count == 0 then
            break
        end
        removed, left = removed + count, left - count
    end
    used = bytes_used()
end

local old = last_before(KEYS[5], '(' .. ARGV[3] .. '-0')
if old then
    local ms, seq = split(old)
    redis.call('SET', KEYS[5] .. ':t', old)
    redis.call('XTRIM', KEYS[5], 'MINID', string.format('%.0f-%.0f', ms, seq + 1))
end
return {removed, left, used}
