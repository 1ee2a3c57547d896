-- Replaces the settings of an account; secrets that the new record lacks go.
-- KEYS: lease, epoch, a:<acc>
-- ARGV: owner, epoch, incarnation, then field and value in turn
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return redis.error_reply('FENCED lease lost')
end
local incarnation = redis.call('HGET', KEYS[3], 'inc')
if not incarnation then
    return redis.error_reply('GONE account does not exist')
end
if incarnation ~= ARGV[3] then
    return redis.error_reply('STALE account was created anew')
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
