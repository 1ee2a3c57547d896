-- A page of a list, newest first.
-- KEYS: entries of the list, its order
-- ARGV: position of the first, position of the last
-- Gives how many entries the list has, then hash and sealed record of each.
local out = { redis.call('ZCARD', KEYS[2]) }
for _, hash in ipairs(redis.call('ZREVRANGE', KEYS[2], ARGV[1], ARGV[2])) do
    local record = redis.call('HGET', KEYS[1], hash)
    if record then
        out[#out + 1] = hash
        out[#out + 1] = record
    end
end
return out
