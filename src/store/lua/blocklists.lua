-- All lists. The keys of their entries lie in the slot of the names.
-- KEYS: names of all lists
-- ARGV: what the key of a list's entries begins with
-- Gives hash, sealed name and number of entries of each.
local out = {}
local names = redis.call('HGETALL', KEYS[1])
for i = 1, #names, 2 do
    out[#out + 1] = names[i]
    out[#out + 1] = names[i + 1]
    out[#out + 1] = redis.call('HLEN', ARGV[1] .. names[i])
end
return out
