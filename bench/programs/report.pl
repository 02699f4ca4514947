# Hashes, regular expressions, sorting and formatted output over log files.
use strict;
use warnings;

my (%by_host, %length, %word);
while (my $line = <>) {
    next unless $line =~ /^(\d+)\s+(\w+)\s+\[(\w+)\]\s+(.*)$/;
    my ($number, $host, $level, $rest) = ($1, $2, $3, $4);
    $by_host{$host}{$level} += $number % 97;
    $length{ length $rest }++;
    $word{ lc $1 }++ while $rest =~ /\b([a-z]+)\b/g;
    (my $copy = $rest) =~ s/([aeiou])/<$1>/g;
    $length{ -length $copy }++;
}
for my $host (sort keys %by_host) {
    printf "%-10s %s\n", $host, join ' ', map { "$_=$by_host{$host}{$_}" } sort keys %{ $by_host{$host} };
}
my @top = (sort { $word{$b} <=> $word{$a} || $a cmp $b } keys %word)[0 .. 9];
print "$_ $word{$_}\n" for @top;
print join(',', map { "$_:$length{$_}" } sort { $a <=> $b } keys %length), "\n";
