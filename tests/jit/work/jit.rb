# Ruby: the interpreter, FFI's closures; YJIT or RJIT where it was built.
def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)
puts "fib #{fib(22)}"
h = Hash.new { |k, v| k[v] = [] }
50000.times { |i| h["k#{i * 31 % 501}"] << i }
puts "hash #{h.sum { |k, v| k.size * v.sum }}"
c = 0
20000.times { |i| begin; case i % 3 when 0 then c += 1 / (i % 2) when 1 then nil.x else raise "e#{i}" end; rescue ZeroDivisionError; c += 1; rescue NoMethodError; c += 2; rescue => e; c += e.message.size end }
puts "errors #{c}"
begin; def deep(n) = deep(n + 1) + 1; deep(0); rescue SystemStackError; puts "overflow caught" end
t = (0...5000).map { |i| (i * 2654435761 % 2**32).to_s(16) }.join(" ")
puts "text #{t.scan(/\b([a-f]+)(\d+)\b/).size} #{t.gsub(/([a-f])(\d)/) { $2 + $1.upcase }.sum}"
f = Fiber.new { 20000.times { |i| Fiber.yield i } }
puts "fibers #{20000.times.sum { f.resume }}"
puts "threads #{6.times.map { |k| Thread.new { (1..20000).sum { |i| i * k % 7 } } }.sum(&:value)}"
begin
  require 'ffi'
  module C; extend FFI::Library; ffi_lib FFI::Library::LIBC; callback :cmp, [:pointer, :pointer], :int; attach_function :qsort, [:pointer, :size_t, :size_t, :cmp], :void; end
  p1 = FFI::MemoryPointer.new(:int, 1000)
  10.times { |r| p1.write_array_of_int((0...1000).map { |i| (i * 7919 + r) % 1009 }); C.qsort(p1, 1000, 4) { |a, b| (a.read_int <=> b.read_int) * (r.even? ? 1 : -1) } }
  puts "ffi #{p1.read_array_of_int(1000)[0, 5]}"
rescue LoadError => e
  puts "no ffi"
end
