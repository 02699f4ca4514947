#!/bin/bash
# What processes share with the programs that they start: translated code. That programs find it, that nothing of it shows, and that a process that
# changes its rights has no part in it any more.
#   tests/family.sh
set -u
. "$(dirname "$0")/lib.sh"
need "$CC_ARM64" "$CC_AMD64" timeout
need_program
ours || { say "family: only for run-foreign"; finish; }
make_tmp
chmod 755 "$TMP"
"$CC_ARM64" -O1 -static -o "$TMP/relative" "$TESTS/family/relative.c" 2>"$TMP/err" || give_up "relative.c: $(cat "$TMP/err")"
"$CC_AMD64" -O1 -static -o "$TMP/native" "$TESTS/family/relative.c" 2>"$TMP/err" || give_up "relative.c: $(cat "$TMP/err")"
cp "$EMU" "$TMP/run-foreign"
run() { timeout 60 "$TMP/run-foreign" "$@" </dev/null 2>&1; }

# --- it is of use ----------------------------------------------------------------------------------
# found N WAY: how many translations the Nth program found that a process executes after going the way, how many it has, and how many pages came as one.
found() {
    RUN_FOREIGN_TEST=cold=1 run --stats "$TMP/relative" "$2" "$TMP/relative" look |
        awk -v N="$1" '/relative look: exit/ && !/relative stay/ { n++ } n == N && / translated / && !all { all = $2 } n == N && / found / && !done { print $2, all, $(NF - 4); done = 1 }'
}
read -r one all images <<<"$(found 2 stay)"
if [ "${one:-0}" -gt $((${all:-0} * 9 / 10)) ] && [ "${all:-0}" -gt 100 ]; then pass "programs find translations"; else fail "programs find translations" "$one of $all"; fi
few=${images:-0}
read -r one all images <<<"$(found 3 stay)"
if [ "${one:-0}" -gt $((${all:-0} * 9 / 10)) ] && [ "${images:-0}" -gt $((20 + 4 * few)) ]; then
    pass "one by one, then by the page"
else
    fail "one by one, then by the page" "$one of $all, $few and then $images pages"
fi
# What a relative has translated knows its own guest instructions, in the family and after leaving it.
for way in stay unshare; do
    same "faults in what was found are exact ($way)" "exact"$'\n'"exact"$'\n'"exact" "$(RUN_FOREIGN_TEST=cold=1 run "$TMP/relative" stay "$TMP/relative" fault $way)"
done
# --- it doesn't show -------------------------------------------------------------------------------
nothing="0 files, 0 hidden, not mapped"
same "a program sees nothing of it" "$nothing"$'\n'"$nothing"$'\n'"$nothing" "$(run "$TMP/relative" stay "$TMP/relative" look)"
same "a program of the host doesn't get it" "$nothing"$'\n'"$nothing"$'\n'"$nothing" "$(run "$TMP/relative" stay "$TMP/native" look)"
same "nor one that has less rights, by vfork" "$nothing" "$(run "$TMP/relative" vfork-setuid "$TMP/native" look)"

# --- it is given up --------------------------------------------------------------------------------
# member WAY: whether the process has the file (by descriptor or mapping) after going the way.
member() {
    local pid
    coproc RELATIVE { exec timeout 60 "$TMP/run-foreign" "$TMP/relative" "$1" 2>&1; }
    local line in=${RELATIVE[1]}
    if ! IFS= read -r -t 30 -u "${RELATIVE[0]}" line || [ "$line" != ready ]; then
        echo "no answer: ${line:-}"
    else
        pid=$(pgrep -P "$RELATIVE_PID")
        if [ -z "$pid" ]; then echo "no process"; else
            ls -l "/proc/$pid/fd" | grep -q 'memfd:code' && echo "has the descriptor"
            grep -q 'memfd:code' "/proc/$pid/maps" && echo "has it mapped"
        fi
    fi
    echo >&"$in"
    wait "$RELATIVE_PID" 2>/dev/null
}
if [ "$(id -u)" = 0 ]; then
    both="has the descriptor"$'\n'"has it mapped"
    same "in the family" "$both" "$(member stay 2>/dev/null)"
    same "in the family after an exec that failed" "$both" "$(member failed-exec 2>/dev/null)"
    for way in setuid setresuid setgid setgroups setfsuid capset bounding no_new_privs dumpable unshare seccomp; do
        same "$way gives it up" "" "$(member $way 2>/dev/null)"
    done
else
    skip "giving it up" "not root"
fi
finish
