-- Removes every key of an account. The first call removes the keys of its own; each call
-- looks through one page of the feed for entries about it.
-- KEYS: lease, epoch, accounts, dirty, feed, dead, f:<acc>, a:<acc>, its other keys
-- ARGV: owner, epoch, account name, key prefix of its indexes ("…:m:<acc>:"),
--       feed position ("-" at first), entries a page, incarnation, key prefix of their
--       shadows ("…:s:<acc>:") and of their threads ("…:t:<acc>:")
-- Gives the next feed position, or "" when done.
local error = fenced()
if error then
    return error
end
local incarnation = redis.call('HGET', KEYS[8], 'inc')
if incarnation and incarnation ~= ARGV[7] then
    return '' -- created anew meanwhile: the one to delete is gone
end
if ARGV[5] == '-' then
    for _, box in ipairs(redis.call('HKEYS', KEYS[7])) do
        redis.call('UNLINK', ARGV[4] .. box, ARGV[8] .. box, ARGV[9] .. box)
    end
    for i = 7, #KEYS do
        redis.call('UNLINK', KEYS[i])
    end
    redis.call('SREM', KEYS[3], ARGV[3])
    redis.call('SREM', KEYS[4], ARGV[3])
    redis.call('SREM', KEYS[6], ARGV[3])
end
local page = redis.call('XRANGE', KEYS[5], ARGV[5], '+', 'COUNT', ARGV[6])
for _, entry in ipairs(page) do
    local fields = entry[2]
    for i = 1, #fields, 2 do
        if fields[i] == 'a' and fields[i + 1] == ARGV[3] then
            redis.call('XDEL', KEYS[5], entry[1])
            break
        end
    end
end
if #page < tonumber(ARGV[6]) then
    return ''
end
return '(' .. page[#page][1]
