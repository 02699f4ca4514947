-- Work for LuaJIT: traces, side traces, aborts, FFI with callbacks.
local function fannkuch(n)
  local p, q, s, sign, maxflips, sum = {}, {}, {}, 1, 0, 0
  for i = 1, n do p[i] = i; q[i] = i; s[i] = i end
  repeat
    local q0 = p[1]
    if q0 ~= 1 then
      for i = 2, n do q[i] = p[i] end
      local flips = 1
      while true do
        local qq = q[q0]
        if qq == 1 then sum = sum + sign * flips; if flips > maxflips then maxflips = flips end; break end
        q[q0] = q0
        if q0 >= 4 then local i, j = 2, q0 - 1; repeat q[i], q[j] = q[j], q[i]; i = i + 1; j = j - 1 until i >= j end
        q0 = qq; flips = flips + 1
      end
    end
    if sign == 1 then p[1], p[2] = p[2], p[1]; sign = -1
    else
      p[2], p[3] = p[3], p[2]; sign = 1
      for i = 3, n do
        local sx = s[i]
        if sx ~= 1 then s[i] = sx - 1; break end
        if i == n then return sum, maxflips end
        s[i] = i
        local t = p[1]; for j = 1, i do p[j] = p[j + 1] end; p[i + 1] = t
      end
    end
  until false
end
print("fannkuch", fannkuch(8))
local function nbody(n)
  local x, v = 1.5, -0.25
  for i = 1, n do local a = -x / (x * x + 0.1); v = v + a * 0.001; x = x + v * 0.001 end
  return string.format("%.12f %.12f", x, v)
end
print("orbit", nbody(2000000))
local function sieve(n)
  local t, c = {}, 0
  for i = 2, n do if not t[i] then c = c + 1; for j = i * i, n, i do t[j] = true end end end
  return c
end
print("sieve", sieve(200000))
local parts = {}
for i = 1, 30000 do parts[#parts + 1] = ("%x"):format(i * 7919 % 65536):rep(i % 3 + 1) end
local s = table.concat(parts, ",")
local n = 0
for w in s:gmatch("(%a+)%d") do n = n + #w end
table.sort(parts, function(a, b) if #a ~= #b then return #a < #b end return a < b end)
print("text", #s, n, parts[1], parts[#parts], s:reverse():upper():sub(1, 20))
-- Types change: side traces and blacklists.
local function poly(x) if type(x) == "number" then return x + 1 elseif type(x) == "string" then return #x else return 3 end end
local sum = 0
for i = 1, 300000 do sum = sum + poly(i % 7 == 0 and "abc" or i % 11 == 0 and {} or i) end
print("poly", sum)
local co = coroutine.wrap(function() for i = 1, 50000 do coroutine.yield(i) end return 0 end)
sum = 0
for i = 1, 50000 do sum = sum + co() end
print("coroutines", sum)
local ok, e = pcall(function() local function f() return 1 + f() end return f() end)
print("overflow", ok, tostring(e):match("stack overflow") or e)
local ffi = require("ffi")
ffi.cdef [[ void qsort(void *, size_t, size_t, int (*)(const int *, const int *)); int abs(int); typedef struct { double x, y; } point; ]]
local a = ffi.new("int[?]", 5000)
for i = 0, 4999 do a[i] = i * 7919 % 5003 end
for round = 1, 10 do
  local calls = 0
  local cb = ffi.cast("int (*)(const int *, const int *)", function(p, q) calls = calls + 1; return round % 2 == 0 and p[0] - q[0] or q[0] - p[0] end)
  ffi.C.qsort(a, 5000, 4, cb)
  cb:free()
end
print("callbacks", a[0], a[2500], a[4999])
local p = ffi.new("point[100]")
for r = 1, 20000 do local q = p[r % 100]; q.x = q.x + r; q.y = q.y + q.x * 0.5 + ffi.C.abs(-r) end
print("structs", p[7].x, p[7].y)
local loads = 0
for i = 1, 3000 do loads = loads + loadstring("local t = 0; for i = 1, 60 do t = t + i * " .. i .. " end return t")() end
print("loads", loads)
