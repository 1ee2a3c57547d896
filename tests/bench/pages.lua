-- For wrk: each request asks for another page of a listing. Behind "--": how many pages there are.
local pages

function init(args)
  pages = tonumber(args[1])
  math.randomseed(os.time())
end

function request()
  return wrk.format("GET", wrk.path .. "&page=" .. math.random(0, pages - 1))
end
