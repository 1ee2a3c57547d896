-- Writes one commit of an account: index, mailbox records, state, events. All or nothing.
-- KEYS: lease, epoch, a:<acc>, f:<acc>, log:<acc>, feed, dirty, mv:<acc>, th:<acc>, then
--       m:<acc>:<box> and s:<acc>:<box> of each change, then t:<acc>:<box> of each mailbox
--       whose threads change
-- ARGV: owner, epoch, incarnation, account name, commit token, sealed state or "", next
--       number or "", entries the feed keeps, number of changes; then of each change:
--       box, first 8 bytes of the stored record, new record or "" to remove, what happens
--       to the stored segments first (letters: d they go, s they become the shadow
--       together with the record, x the shadow goes), n and n segment fields to remove, n
--       and n times field and segment; then tombstones: n and n keys to forget, n and n
--       times key and tombstone, life of all of them in ms; then threads: n and n times
--       field and value of the map, number of mailboxes, and of each: d if its rows go
--       first, n and n fields to remove, n and n times field and value; then of each
--       event: type, id, sealed event
-- Field n:<type> of a:<acc> counts the events of a type.
-- The token of the last commit stays in field c of a:<acc>: a call whose answer was lost
-- can be repeated as it is, and is recognised if it had been carried out.
if redis.call('HGET', KEYS[3], 'c') == ARGV[5] then
    return redis.status_reply('OK')
end
local error = refused()
if error then
    return error
end

local none = string.rep('\0', 8)
local at = 10
local starts = {}
for i = 1, tonumber(ARGV[9]) do
    starts[i] = at
    local stored = redis.call('HGET', KEYS[4], ARGV[at]) or none
    if string.sub(stored, 1, 8) ~= ARGV[at + 1] then
        return redis.error_reply('STALE mailbox record changed')
    end
    at = at + 5 + tonumber(ARGV[at + 4])
    at = at + 1 + 2 * tonumber(ARGV[at])
end
local tombstones = at
at = at + 1 + tonumber(ARGV[at])
at = at + 1 + 2 * tonumber(ARGV[at]) + 1
local threads = at
at = at + 1 + 2 * tonumber(ARGV[at])
local thread_boxes = tonumber(ARGV[at])
at = at + 1
for _ = 1, thread_boxes do
    at = at + 2 + tonumber(ARGV[at + 1])
    at = at + 1 + 2 * tonumber(ARGV[at])
end

redis.call('HSET', KEYS[3], 'c', ARGV[5])
if ARGV[6] ~= '' then
    redis.call('HSET', KEYS[3], 'st', ARGV[6])
end
if ARGV[7] ~= '' then
    redis.call('HSET', KEYS[4], 'n', ARGV[7])
end
for i, start in ipairs(starts) do
    local index, shadow, how = KEYS[8 + 2 * i], KEYS[9 + 2 * i], ARGV[start + 3]
    if string.find(how, '[sx]') then
        redis.call('UNLINK', shadow)
    end
    if string.find(how, 's') then
        if redis.call('EXISTS', index) == 1 then
            redis.call('RENAME', index, shadow)
        end
        redis.call('HSET', shadow, 'r', redis.call('HGET', KEYS[4], ARGV[start]))
    elseif string.find(how, 'd') then
        redis.call('UNLINK', index)
    end
    if ARGV[start + 2] == '' then
        redis.call('HDEL', KEYS[4], ARGV[start])
    else
        redis.call('HSET', KEYS[4], ARGV[start], ARGV[start + 2])
    end
    local p = start + 5
    for _ = 1, tonumber(ARGV[start + 4]) do
        redis.call('HDEL', index, ARGV[p])
        p = p + 1
    end
    for _ = 1, tonumber(ARGV[p]) do
        redis.call('HSET', index, ARGV[p + 1], ARGV[p + 2])
        p = p + 2
    end
end
local p = tombstones
for _ = 1, tonumber(ARGV[tombstones]) do
    p = p + 1
    redis.call('HDEL', KEYS[8], ARGV[p])
end
p = p + 1
local added = tonumber(ARGV[p])
for i = p + 1, p + 2 * added, 2 do
    redis.call('HSET', KEYS[8], ARGV[i], ARGV[i + 1])
end
if added > 0 then
    redis.call('PEXPIRE', KEYS[8], ARGV[p + 2 * added + 1])
end
p = threads
for i = p + 1, p + 2 * tonumber(ARGV[p]), 2 do
    redis.call('HSET', KEYS[9], ARGV[i], ARGV[i + 1])
end
p = p + 2 + 2 * tonumber(ARGV[p])
for i = 1, thread_boxes do
    local rows = KEYS[9 + 2 * #starts + i]
    if ARGV[p] == 'd' then
        redis.call('UNLINK', rows)
    end
    p = p + 1
    for _ = 1, tonumber(ARGV[p]) do
        p = p + 1
        redis.call('HDEL', rows, ARGV[p])
    end
    p = p + 1
    local pairs_end = p + 2 * tonumber(ARGV[p])
    for k = p + 1, pairs_end, 2 do
        redis.call('HSET', rows, ARGV[k], ARGV[k + 1])
    end
    p = pairs_end + 1
end
local told = {}
for i = at, #ARGV, 3 do
    told[ARGV[i]] = (told[ARGV[i]] or 0) + 1
    local entry = redis.call('XADD', KEYS[5], '*', 't', ARGV[i], 'i', ARGV[i + 1],
                             'd', ARGV[i + 2])
    redis.call('XADD', KEYS[6], '*', 'a', ARGV[4], 'e', entry)
end
for type, count in pairs(told) do
    redis.call('HINCRBY', KEYS[3], 'n:' .. type, count)
end
if #ARGV > at then
    -- Readers of the feed before what is kept have missed something.
    if redis.call('XTRIM', KEYS[6], 'MAXLEN', '~', ARGV[8]) > 0 then
        local first = redis.call('XRANGE', KEYS[6], '-', '+', 'COUNT', 1)[1]
        redis.call('SET', KEYS[6] .. ':t', first[1])
    end
    redis.call('SADD', KEYS[7], ARGV[4])
end
return redis.status_reply('OK')
