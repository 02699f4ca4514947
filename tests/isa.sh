#!/bin/bash
# The guest's CPU: what it announces is what it does, with any of its features hidden; alignment as FEAT_LSE2 has it.
#   tests/isa.sh
set -u
. "$(dirname "$0")/lib.sh"
need "$CC_ARM64" timeout nm python3
need_program
make_tmp
for p in features lse2; do
    "$CC_ARM64" -O1 -static -pthread -o "$TMP/$p" "$TESTS/isa/$p.c" 2>"$TMP/err" || give_up "$p.c: $(cat "$TMP/err")"
done

# hidden LIST: the names that are not there, one a line in the order of their bits.
hidden() { timeout 60 "$EMU" ${1:+--cpu "$1"} "$TMP/features" 2>&1 | grep -v ' yes$'; }

all="others 0x3"
same "everything is there, and all sources agree" "$all" "$(hidden '')"
if ours; then
    mapfile -t names < <(timeout 60 "$EMU" "$TMP/features" | sed -n 's/ yes$//p')
    has "the names" '^33$' "${#names[@]}"
    for n in "${names[@]::31}"; do
        out=$(hidden "-$n")
        if grep -q "^$n no$" <<<"$out" && ! grep -q INCONSISTENT <<<"$out"; then pass "-$n hides $(grep -c ' no$' <<<"$out")"; else fail "-$n" "$out"; fi
    done
    same "-aes takes pmull along" "aes no"$'\n'"pmull no"$'\n'"$all" "$(hidden -aes)"
    same "later wishes win" "$all" "$(hidden -sha3,sha3)"
    for list in -lse sve -fp -aes,pmull; do
        out=$(timeout 60 "$EMU" --cpu "$list" "$TMP/features" 2>&1); rc=$?
        same "--cpu $list is an error of one line" "125 1" "$rc $(wc -l <<<"$out")"
    done
fi
same "alignment, and pairs that are never torn" "$(cat "$TESTS/isa/lse2.expected")" "$(timeout 120 "$EMU" "$TMP/lse2" 2>&1)"
# That a pair is torn is seen once in a blue moon, that it can be, in the code (translated at once,
# whatever is forced otherwise): a process that has its memory alone reads it in two, and then no more.
if [ "$(uname -m)" = x86_64 ]; then
    from=$((16#$(nm "$TMP/lse2" | sed -n 's/ t read_pairs$//p')))
    for way in thread process; do
        reads=$(RUN_FOREIGN_TEST=cold=1 timeout 120 "$EMU" --dump asm "$TMP/lse2" "$way" 2>&1 | python3 -c '
import re, sys
at, pair, said = 0, False, []
for line in sys.stdin:
    if m := re.match(r"block 0x([0-9a-f]+):", line):
        at, pair = int(m[1], 16) - int(sys.argv[1]), False
    pair |= 0 <= at < 64 and ": ldp x" in line
    if pair and (m := re.search(r", (x?mm)?q?word ptr \[r[0-9a-z]+\]$", line)):
        said.append("one" if m[1] else "two")
        pair = False
print(*dict.fromkeys(said), sep="\n")' "$from")
        same "pairs are read in one access once there is another $way" "two"$'\n'"one" "$reads"
    done
fi
finish
