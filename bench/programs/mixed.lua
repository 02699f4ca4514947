-- Tables, closures, string buffers and floating point in Lua.
local function sieve(n)
  local composite, count = {}, 0
  for i = 2, n do
    if not composite[i] then
      count = count + 1
      for j = i * i, n, i do composite[j] = true end
    end
  end
  return count
end

local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end

local function spectral(n)
  local u, v = {}, {}
  for i = 1, n do u[i] = 1 end
  local function a(i, j) local ij = i + j - 2 return 1.0 / (ij * (ij + 1) * 0.5 + i) end
  for _ = 1, 4 do
    for i = 1, n do
      local s = 0
      for j = 1, n do s = s + a(i, j) * u[j] end
      v[i] = s
    end
    for i = 1, n do
      local s = 0
      for j = 1, n do s = s + a(j, i) * v[j] end
      u[i] = s
    end
  end
  return u[1], u[n]
end

local parts = {}
for i = 1, 130000 do parts[#parts + 1] = string.format("%d:%x", i, i * 7919 % 65536) end
local text = table.concat(parts, " ")
local matches = 0
for _ in text:gmatch("%d+:(%x%x)%f[%s]") do matches = matches + 1 end
print(sieve(5000000), fib(34), matches, #text)
print(string.format("%.12f %.12f", spectral(600)))
