-- Revokes a token; the epoch makes every node forget what it remembers of tokens.
-- KEYS: tokens
-- ARGV: token id
-- Gives the new epoch, or 0 if there is no such token.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end
return redis.call('HINCRBY', KEYS[1], '!epoch', 1)
