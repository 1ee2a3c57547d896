-- Changes settings; every change counts the version up.
-- KEYS: settings
-- ARGV: number of fields to remove, these fields, then field and value in turn
-- Gives the new version.
local removed = tonumber(ARGV[1])
for i = 2, removed + 1 do
    redis.call('HDEL', KEYS[1], ARGV[i])
end
for i = removed + 2, #ARGV, 2 do
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
return redis.call('HINCRBY', KEYS[1], '!version', 1)
