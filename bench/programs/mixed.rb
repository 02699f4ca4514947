# Objects, blocks, hashes, strings and big integers in Ruby.
def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)

Point = Struct.new(:x, :y) do
  def +(other) = Point.new(x + other.x, y + other.y)
end

state = 12345
random = lambda do |n|
  state ^= (state << 13) & 0xffffffff
  state ^= state >> 17
  state ^= (state << 5) & 0xffffffff
  state % n
end

words = Array.new(480_000) { "w#{random.(3000).to_s(36)}" }
counts = words.tally.sort_by { |w, n| [-n, w] }
text = words.join(" ")
matched = text.scan(/w([a-f]\d)\b/).size
replaced = text.gsub(/w(\w)(\w)/) { "#{$2}#{$1}" }.sum
sum = (1..580_000).map { |i| Point.new(i, i % 7) }.inject(:+)
digits = (1..2400).inject(:*).to_s.chars.sum(&:to_i)
puts fib(28), counts.first.inspect, matched, replaced, sum.inspect, digits
