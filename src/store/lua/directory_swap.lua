-- Changes one row of the directory if it is still what the caller has seen.
-- KEYS: directory
-- ARGV: account name, value seen ("" = absent), new value ("" = remove)
-- Gives 1 if it was changed.
local now = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if now ~= ARGV[2] then
    return 0
end
if ARGV[3] == '' then
    redis.call('HDEL', KEYS[1], ARGV[1])
else
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
