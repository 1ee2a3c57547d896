-- Replaces the settings of an account; secrets that the new record lacks go.
-- KEYS: lease, epoch, a:<acc>
-- ARGV: owner, epoch, incarnation, then field and value in turn
local error = refused()
if error then
    return error
end
for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do
    if string.sub(field, 1, 4) == 'sec:' then
        redis.call('HDEL', KEYS[3], field)
    end
end
for i = 4, #ARGV, 2 do
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
return redis.status_reply('OK')
