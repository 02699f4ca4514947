<?php
// Arrays, strings, classes and recursion in PHP.
ini_set('memory_limit', '1G');
function fib(int $n): int { return $n < 2 ? $n : fib($n - 1) + fib($n - 2); }

final class Account {
    private array $log = [];
    public function __construct(private int $balance) {}
    public function move(int $by): void { $this->balance += $by; $this->log[] = $by; }
    public function summary(): string { return $this->balance . '/' . count($this->log); }
}

$state = 12345;
$random = function (int $n) use (&$state): int {
    $state ^= ($state << 13) & 0xffffffff;
    $state ^= $state >> 17;
    $state ^= ($state << 5) & 0xffffffff;
    return $state % $n;
};

$words = [];
for ($i = 0; $i < 1200000; $i++) $words[] = 'w' . base_convert((string) $random(3000), 10, 36);
$counts = array_count_values($words);
ksort($counts);
arsort($counts);
$text = implode(' ', $words);
$matched = preg_match_all('/w([a-f]\d)\b/', $text);
$replaced = crc32(preg_replace('/w(\w)(\w)/', '$2$1', $text));
$account = new Account(0);
for ($i = 0; $i < 4500000; $i++) $account->move($i % 11 - 5);
$sieve = array_fill(0, 4500000, true);
$primes = 0;
for ($i = 2; $i < 4500000; $i++) {
    if (!$sieve[$i]) continue;
    $primes++;
    for ($j = $i * $i; $j < 4500000; $j += $i) $sieve[$j] = false;
}
echo fib(32), ' ', array_key_first($counts), ' ', count($counts), " $matched $replaced ", $account->summary(), " $primes ", md5($text), "\n";
