-- Moves a reader's cursor in one account of a shard or in all. Needs no lease: the count
-- in field g:<reader> makes every later write by who does not know of the move fail.
-- KEYS: accounts, dirty
-- ARGV: what key names of accounts begin with ("pr:{17}:"), account name or "" for all,
--       reader, entry id; "" = the start, "$" = the end of each log, "-" = no cursor
--       any more: the reader is gone
-- Gives the number of accounts.
local names = ARGV[2] ~= '' and {ARGV[2]} or redis.call('SMEMBERS', KEYS[1])
local moved = 0
for _, name in ipairs(names) do
    local cursors = ARGV[1] .. 'cur:' .. name
    if ARGV[4] == '-' then
        moved = moved + redis.call('HDEL', cursors, ARGV[3], 'g:' .. ARGV[3])
    elseif redis.call('EXISTS', ARGV[1] .. 'a:' .. name) == 1 then
        local to = ARGV[4]
        if to == '$' then
            local last = redis.call('XREVRANGE', ARGV[1] .. 'log:' .. name, '+', '-',
                                    'COUNT', 1)[1]
            to = last and last[1] or redis.call('HGET', cursors, 't:') or ''
        end
        redis.call('HSET', cursors, ARGV[3], to)
        redis.call('HINCRBY', cursors, 'g:' .. ARGV[3], 1)
        redis.call('SADD', KEYS[2], name)
        moved = moved + 1
    end
end
return moved
