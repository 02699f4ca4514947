# Perl: regular expressions, sorting, fork and pipe, sockets, pack, big numbers, local time, sprintf.
exec perl -MDigest::SHA=sha256_hex -MTime::Local -MPOSIX=floor,fmod,strftime,:sys_wait_h -MMath::BigInt -MSocket -MData::Dumper -MStorable=dclone,freeze,thaw -e '
use strict; use warnings; $| = 1;
my %h; $h{$_ % 97} .= chr(65 + $_ % 26) for 1 .. 20000;
print join(",", map { "$_=" . length $h{$_} } sort { $a <=> $b } keys %h), "\n";
print sha256_hex(join "", map { $h{$_} } sort keys %h), "\n";
my $t = join " ", map { sprintf "%x", $_ * 2654435761 % 4294967296 } 1 .. 3000;
my $c = () = $t =~ /\b[0-9]*([a-f])\1[0-9a-f]*\b/g; print "doubles $c\n";
(my $u = $t) =~ s/(\d+)/<$1>/g; print length($u), " ", sha256_hex($u), "\n";
print Math::BigInt->new(3)->bpow(400), "\n", Math::BigInt->new("123456789" x 8)->bmodpow(65537, "987654321" x 7), "\n";
printf "%.17g %.3e %g %s %s %s\n", atan2(1, 1) * 4, exp(50), sqrt(2) ** 3, 9**9**9, -9**9**9, floor(-1.5);
printf "%s %s\n", fmod(1e300, 7.7), sin(1e6);
print strftime("%Y-%m-%d %H:%M:%S %j", gmtime(1700000000)), " ", timegm(0, 0, 0, 29, 1, 2024), "\n";
my @k; for my $i (1 .. 20) { my $p = fork // die; if (!$p) { exit $i } push @k, $p }
print join(" ", map { waitpid($_, 0); $? >> 8 } @k), "\n";
pipe(my $r, my $w) or die; if (!fork) { close $r; print $w "line $_\n" for 1 .. 1000; exit 0 } close $w;
my $n = 0; while (<$r>) { $n += length } wait; print "pipe $n $?\n";
socketpair(my $one, my $two, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die; syswrite $one, "hi\n"; sysread $two, my $buf, 10; print $buf;
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 10; alarm 0 }; print "eval: $@";
kill "KILL", (my $s = fork || do { sleep 100; exit }); waitpid $s, 0; print "signal ", $? & 127, "\n";
my $d = dclone({ a => [1 .. 5], b => { c => undef } }); local $Data::Dumper::Sortkeys = 1; print Dumper($d);
print unpack("H*", pack("nNvVQ>q<f>dA5Z*w", 1, 2, 3, 4, 5, -6, 1.5, -2.25, "abc", "xyz", 300)), "\n";
open my $f, ">", "file" or die; printf $f "%d\n", $_ * 7 for 1 .. 500; close $f; print -s "file", "\n"; open $f, "<", "file"; my @l = reverse <$f>; print $l[0];
print scalar(`echo shell; exit 3`), $? >> 8, "\n"; system "kill -9 \$\$"; print $? & 127, "\n";
print join("", sort { $b cmp $a } split //, "the quick brown fox jumps over the lazy dog"), "\n";
my @s = (1); push @s, $s[-1] * 16807 % 2147483647 for 1 .. 20000; print join(" ", (sort { $a <=> $b } @s)[0 .. 9]), "\n";
'
