-- Writes a dead letter. Too many of an account: the oldest go, some more than needed, so
-- that not every letter has to look for them.
-- KEYS: lease, epoch, a:<acc>, dl:<acc>, dead
-- ARGV: owner, epoch, incarnation, account name, "<route>:<entry id>", sealed letter, most,
--       1 = only in place of one that is there
-- Gives the number of letters removed.
local error = refused()
if error then
    return error
end
if ARGV[8] == '1' and redis.call('HEXISTS', KEYS[4], ARGV[5]) == 0 then
    return 0
end
redis.call('HSET', KEYS[4], ARGV[5], ARGV[6])
redis.call('SADD', KEYS[5], ARGV[4])
local most = tonumber(ARGV[7])
local count = redis.call('HLEN', KEYS[4])
if count <= most then
    return 0
end

local letters = {}
for _, field in ipairs(redis.call('HKEYS', KEYS[4])) do
    local ms, seq = string.match(field, ':(%d+)-(%d+)$')
    letters[#letters + 1] = {field, tonumber(ms) or 0, tonumber(seq) or 0}
end
table.sort(letters, function(a, b)
    return a[2] < b[2] or (a[2] == b[2] and a[3] < b[3])
end)
local surplus = count - math.floor(most * 0.9)
for i = 1, surplus do
    redis.call('HDEL', KEYS[4], letters[i][1])
end
return surplus
