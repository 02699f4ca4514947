# bash: arrays, arithmetic, patterns, here documents, coprocesses, process substitution, traps, job statuses, printf, read, subshells.
exec bash -c '
set -u; shopt -s extglob globstar nullglob
declare -A h; for i in {1..500}; do h[k$((i * 7919 % 1000))]=$i; done; echo "${#h[@]} ${h[k919]}"
a=(); for ((i = 0; i < 2000; i++)); do a+=($(((i * 16807) % 2147483647))); done; echo "${#a[@]} ${a[-1]} ${a[*]:5:4}"
echo $((2 ** 62 - 1 + 2 ** 62)) $((-7 / 2)) $((-7 % 3)) $((0x7fffffffffffffff + 1)) $((36#zz)) $((5 > 3 ? 1 << 40 : 0)) $((~0))
s="The quick brown fox"; echo "${s,,}|${s^^}|${s// /_}|${s%% *}|${s##* }|${s:4:5}|${#s}|${s/#The/A}"
[[ $s =~ ([a-z]+)\ ([a-z]+)$ ]] && echo "${BASH_REMATCH[@]}"; [[ foobar == foo@(bar|baz) ]] && echo pattern
f() { local n=$1; ((n < 2)) && { echo "$n"; return; }; echo $(($(f $((n - 1))) + $(f $((n - 2))))); }; f 10
while IFS=: read -r x y z; do echo "$z-$y-$x"; done <<X
a:b:c
d:e f:g h
X
diff <(seq 1 20) <(seq 1 2 20) | head -n 3; mapfile -t m < <(seq 100); echo "${m[99]}"
coproc { while read -r l; do echo "<$l>"; done; }; echo one >&"${COPROC[1]}"; read -r r <&"${COPROC[0]}"; echo "$r"; p=$COPROC_PID; kill "$p"; wait "$p"; echo "coproc $?"
trap "echo usr1" USR1; kill -USR1 $$; (trap "echo exiting" EXIT; exit 3); echo $?
(exit 7) | true; echo "${PIPESTATUS[@]}"; sleep 0.05 & wait $!; echo "bg $?"; sleep 5 & kill $!; wait $! 2>/dev/null; echo "killed $?"
printf "%s|%5d|%-5s|%05.2f|%x|%q|%b\n" str 42 ab 3.14159 255 "a b" "x\ty"; printf "%(%Y-%m-%d)T\n" 86400
mkdir -p d/{a,b}/{c,d}; touch d/a/c/{1..3}.txt; echo d/**/*.txt; echo d/!(b); cd d/a; echo "${PWD##*/}"; cd - >/dev/null; pushd d/b >/dev/null; dirs | wc -w
time_out() { timeout 0.2 bash -c "while :; do :; done"; echo "timeout $?"; }; time_out
exec 5<>/dev/null; echo x >&5; exec 5>&-; echo y 2>/dev/null >&5 || echo closed; ulimit -n; bash -c "kill -SEGV \$\$" 2>/dev/null; echo "segv $?"
for i in {1..60}; do x=$(echo "$i" | tr 1-9 a-i); done; echo "$x"; select_() { PS3=; select c in u v; do echo "$c"; break; done <<<2 2>/dev/null; }; select_
'
