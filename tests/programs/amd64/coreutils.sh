# The core tools: text, numbers, sums, files, links, times, processes.
seq 1 5000 >n; awk '{print ($1 * 7919) % 5003, $1}' n >t
for c in sum cksum md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum 'cksum -a sm3' 'cksum -a crc32b'; do $c <t 2>&1 | head -c 60; echo; done
sort -n t | head -n 3; sort -k2,2nr -k1 t | sed -n '2500p'; sort -R --random-source=n t | md5sum; sort -u -t' ' -k1,1 t | wc -l; sort --parallel=4 -S 64K t | md5sum
cut -d' ' -f2 t | paste -sd+ | head -c 60; echo; tr 0-9 a-j <n | tail -n 2; rev n | tail -n 1; tac n | head -n 1; nl -ba n | tail -n 1; fold -w 17 t | wc; expand t | unexpand -a | md5sum; fmt -w 40 n | tail -n 2
join <(sort n) <(sort -k1,1 t) 2>/dev/null | wc -l; comm -12 n n 2>/dev/null | wc -l; uniq -c t | head -n 1; split -n 7 t s. && cat s.* | cmp - t && ls s.* | tr '\n' ' '; csplit -s t 100 200 && wc -l xx0*; pr -t -3 n | head -n 2; tsort <<X
a b
b c
a d
X
factor 600851475143 18446744073709551557 1000000016000000063; expr 7 \* 6; expr abc : 'a\(.\)c'; numfmt --to=iec 123456789 987; numfmt --from=si 12M; seq -f %.3f 0 0.25 1; seq 100000000000000000000 100000000000000000002
od -tx8 -tf8 -N32 t; od -c -N16 t; base32 <n | head -n 1; base64 t | base64 -d | cmp - t; basenc --z85 -w0 <<<abcdefghijk | head -c 20; echo; shuf --random-source=n -n 5 n; head -c 100000 /dev/zero | md5sum; yes y | head -n 100000 | wc -c
printf '%d %o %x %e %g %a %s\n' 255 255 255 12345.678 0.0001 1 str; printf '%b' '\0101\n'; echo -e 'a\tb'; date -u -d '2024-02-29 12:34:56.789 +0530' '+%F %T %N %s %j %U %A'; date -u -d @1e9 2>&1 | head -n 1; date -u -d '1 Jan 2024 + 40 days' +%F
mkdir -p d/e/f; echo x >d/e/f/g; ln -s e/f d/l; ln d/e/f/g d/h; cp -a d D; stat -c '%n %F %a %h %s' d/* D/h; readlink -f d/l/g | sed "s,$PWD,.,"; realpath --relative-to=d D/l; touch -d 2020-01-01T00:00Z d/h; stat -c %Y d/h; chmod u=rwx,g=s,o= d/h; stat -c %A d/h
mv d/h d/e/; rm -r D; find d -printf '%p %y\n' | sort; du -ab d | sort | tail -n 1 | cut -f2; mktemp -u XXX | wc -c; install -D -m 640 n i/j/k; stat -c %a i/j/k; truncate -s 12345 z; stat -c '%s %b' z; dd if=n of=o bs=13 count=7 skip=1 conv=ucase 2>/dev/null; cksum o; rmdir d 2>/dev/null; echo $?; mkfifo p; cat p & echo fifo >p; wait; test -p p -a ! -s p; echo $?
env -i A=1 printenv; nice -n 5 nice; nproc >/dev/null; id -u; tty; arch; uname -m; sleep 0.01; timeout 0.1 sleep 5; echo $?; stdbuf -oL echo buffered; nohup true 2>/dev/null; echo $?; tee a b <n | wc -l; wc a b; pathchk -p 'a b'; echo $?; basename /x/y.c .c; dirname /x/y; logname >/dev/null 2>&1; true; false; echo $?
grep -cE '(1|2)[0-9]{2}$' n; grep -P '^(\d)\1\1$' n | tr '\n' ' '; grep -on 499. n | tail -n 1; sed -nE 's/^([0-9])([0-9])$/\2\1/p' n | tail -n 1; awk 'BEGIN {printf "%.15g %d %s\n", exp(1) * sin(1) + sqrt(2) * log(7), 2^53 + 1, substr("hello", 2, 3)}'; awk '{s[$1 % 13] += $2} END {for (i = 0; i < 13; i++) printf "%d ", s[i]; print ""}' t; find . -newer n -type f | wc -l >/dev/null; xargs -n 100 -P 4 echo <n | wc -l; diff n t | head -n 2; cmp n t; diff -u <(head n) <(head t) 2>/dev/null | wc -l
