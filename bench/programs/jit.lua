-- Loops that LuaJIT traces: arithmetic, arrays, string building, closures.
local function sieve(n)
  local composite, count = {}, 0
  for i = 1, n do composite[i] = false end
  for i = 2, n do
    if not composite[i] then
      count = count + 1
      for j = i * i, n, i do composite[j] = true end
    end
  end
  return count
end

local function mandelbrot(n)
  local inside = 0
  for y = 0, n - 1 do
    local ci = 2 * y / n - 1
    for x = 0, n - 1 do
      local cr, zr, zi, k = 2 * x / n - 1.5, 0, 0, 0
      while k < 60 and zr * zr + zi * zi < 4 do zr, zi, k = zr * zr - zi * zi + cr, 2 * zr * zi + ci, k + 1 end
      if k == 60 then inside = inside + 1 end
    end
  end
  return inside
end

local function matrix(n)
  local a, b, c = {}, {}, {}
  for i = 1, n * n do a[i], b[i], c[i] = i % 7, i % 5, 0 end
  for i = 0, n - 1 do
    for k = 0, n - 1 do
      local x = a[i * n + k + 1]
      for j = 1, n do c[i * n + j] = c[i * n + j] + x * b[k * n + j] end
    end
  end
  local s = 0
  for i = 1, n * n do s = s + c[i] end
  return s
end

local bit, state = require("bit"), 12345
local function random(n)
  state = bit.bxor(state, bit.lshift(state, 13))
  state = bit.bxor(state, bit.rshift(state, 17))
  state = bit.bxor(state, bit.lshift(state, 5))
  return state % n
end

local counts, distinct = {}, 0
for _ = 1, 6500000 do
  local key = "k" .. random(5000)
  if not counts[key] then distinct, counts[key] = distinct + 1, 0 end
  counts[key] = counts[key] + 1
end
print(sieve(20000000), mandelbrot(1500), matrix(450), distinct, counts.k7)
