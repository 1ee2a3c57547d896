-- Creates an account with its first log entry.
-- KEYS: lease, epoch, a:<acc>, accounts, log:<acc>, feed, dirty
-- ARGV: owner, epoch, account name, event type, event id, sealed event,
--       then field and value of the account record in turn
local error = fenced()
if error then
    return error
end
if redis.call('EXISTS', KEYS[3]) == 1 then
    return redis.error_reply('CONFLICT account exists')
end
for i = 7, #ARGV, 2 do
    redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
end
redis.call('SADD', KEYS[4], ARGV[3])
local entry = redis.call('XADD', KEYS[5], '*', 't', ARGV[4], 'i', ARGV[5], 'd', ARGV[6])
redis.call('XADD', KEYS[6], '*', 'a', ARGV[3], 'e', entry)
redis.call('SADD', KEYS[7], ARGV[3])
return entry
