<?php
// Work for PHP's JIT.
function mandel($n) { $c = 0; for ($y = 0; $y < $n; $y++) for ($x = 0; $x < $n; $x++) { $cr = 2.0 * $x / $n - 1.5; $ci = 2.0 * $y / $n - 1.0; $r = $i = 0.0; $k = 0;
  while ($k < 40 && $r * $r + $i * $i < 4) { $t = $r * $r - $i * $i + $cr; $i = 2 * $r * $i + $ci; $r = $t; $k++; } $c += $k; } return $c; }
function sieve($n) { $s = array_fill(0, $n + 1, true); for ($i = 2; $i * $i <= $n; $i++) if ($s[$i]) for ($j = $i * $i; $j <= $n; $j += $i) $s[$j] = false; return array_sum(array_slice($s, 2)); }
class Node { public $next = null; public int $v; function __construct(int $v) { $this->v = $v; } function sum() { $s = 0; for ($n = $this; $n; $n = $n->next) $s += $n->v; return $s; } }
function objects() { $h = new Node(0); for ($i = 1; $i < 2000; $i++) { $n = new Node($i); $n->next = $h; $h = $n; } $s = 0; for ($i = 0; $i < 100; $i++) $s += $h->sum(); return $s; }
function poly($x) { return is_int($x) ? $x + 1 : (is_string($x) ? strlen($x) : ($x ? 2.5 : 1)); }
function errors() { $c = 0; for ($i = 0; $i < 20000; $i++) try { if ($i % 3 == 0) intdiv(1, $i % 2); elseif ($i % 3 == 1) throw new RuntimeException("e$i"); else $c += [1, 2][$i % 2]; } catch (DivisionByZeroError $e) { $c++; } catch (RuntimeException $e) { $c += strlen($e->getMessage()); } return $c; }
function gen($n) { for ($i = 0; $i < $n; $i++) yield $i => $i * $i; }
echo "mandel ", mandel(150), "\n", "sieve ", sieve(200000), "\n", "objects ", objects(), "\n";
$s = 0; for ($i = 0; $i < 200000; $i++) $s += poly($i % 5 == 0 ? "abc" : ($i % 7 == 0 ? null : $i)); echo "poly $s\n";
echo "errors ", errors(), "\n"; $s = 0; foreach (gen(50000) as $k => $v) $s = ($s + $k * $v) % 1000003; echo "gen $s\n";
$a = []; for ($i = 0; $i < 30000; $i++) $a[] = ($i * 7919) % 65537; sort($a); usort($a, fn($x, $y) => ($x % 100 <=> $y % 100) ?: $x <=> $y); echo "sort ", $a[0], " ", $a[15000], " ", md5(implode(",", $a)), "\n";
$t = ''; for ($i = 0; $i < 5000; $i++) $t .= dechex($i * 2654435761 % 4294967296) . ($i % 9 ? ' ' : "\n"); echo "preg ", preg_match_all('/\b([a-f]+)(\d+)\b/', $t), " ", md5(preg_replace_callback('/([a-f])(\d)/', fn($m) => strtoupper($m[2] . $m[1]), $t)), "\n";
$x = 0; for ($i = 0; $i < 500000; $i++) $x = ($x * 31 + $i) & 0xffffffff; echo "int $x\n"; $f = 0.5; for ($i = 1; $i < 300000; $i++) $f = sqrt($f * $f + 1 / $i); printf("float %.10f\n", $f);
