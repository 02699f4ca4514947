-- Tables, calls, strings, integers and floats: as many rounds as the argument says.
local n = tonumber(arg[1])
local function fib(k) if k < 2 then return k end return fib(k - 1) + fib(k - 2) end
local Point = {} Point.__index = Point
function Point.new(x, y) return setmetatable({x = x, y = y}, Point) end
function Point:step(k) self.x = self.x + self.y * k self.y = self.y * 0.99 + 0.5 return self end
local sum, words = 0, {}
for i = 1, n do
  local p = Point.new(i, 1.5)
  for k = 1, 10 do p:step(k) end
  sum = sum + p.x + fib(8)
  local t = {}
  for k = 1, 20 do t[k] = (i * k) % 97 end
  table.sort(t)
  for k, v in ipairs(t) do sum = sum + v * k end
  words[(i - 1) % 25 + 1] = ("word%d:%s"):format(i % 13, t[3]):upper()
  if i % 25 == 0 then for w in table.concat(words, " "):gmatch("%u+%d") do sum = sum + #w end end
end
print(sum)
