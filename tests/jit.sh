#!/bin/bash
# Guests that write code: tests/jit/alone.c (one thread, and processes) and threads.c check what the architecture and Linux promise;
# bench.c measures what invalidation costs, and what should cost the same must not cost many times more.
#   tests/jit.sh [--qemu] [alone|threads|bench|memory]…     --qemu: show also what QEMU answers (for information; it doesn't count)
#   HUGE=megabytes of generated code, CHURN=rewritten functions; more of both when all tests are run (TIMES)
set -u
. "$(dirname "$0")/lib.sh"
QEMU=${QEMU:-qemu-aarch64-static}
with_qemu=
[ "${1:-}" != --qemu ] || { with_qemu=1; shift; }
need "$CC_ARM64" timeout awk
need_program
make_tmp
LIMIT=${LIMIT:-120}
if [ "${TIMES:-200}" -gt 200 ]; then HUGE=${HUGE:-160} CHURN=${CHURN:-2000000}; fi

build() {
    local name=$1
    [ -e "$TMP/$name" ] || "$CC_ARM64" -O1 -Wall -Wno-unused-result -pthread -static -z execstack -o "$TMP/$name" "$TESTS/jit/$name.c" >"$TMP/build" 2>&1 ||
        { fail "$name: build" "$(cat "$TMP/build")"; return 1; }
}

# cases NAME: a program whose every line is a case.
cases() {
    local name=$1 line ended
    build "$name" || return
    timeout -k 5 "$LIMIT" "$EMU" "$TMP/$name" >"$TMP/out" 2>"$TMP/err"; ended=$?
    while read -r line; do
        case $line in
        "ok "*) pass "$name: ${line#ok }" ;;
        *) line=${line#FAILED }; fail "$name: ${line%%:*}" "${line#*: }" ;;
        esac
    done <"$TMP/out"
    grep -q FAILED "$TMP/out" || [ $ended = 0 ] || fail "$name: ends well" "status $ended; $(tail -n 10 "$TMP/err")"
    [ -z "$with_qemu" ] || timeout -k 5 "$LIMIT" "$QEMU" "$TMP/$name" 2>&1 | sed -n 's/^FAILED /        (QEMU fails in /p' | sed 's/$/)/' >&2
}

phase_alone() { cases alone; }
phase_threads() { cases threads; }

# within NAME TIMES OTHER: the first costs at most so many times the other; with a margin for busy machines.
within() {
    awk -v n="$1" -v f="$2" -v o="$3" '$1 == n {a = $(NF - 1)} $1 == o {b = $(NF - 1)} END {exit !(a > 0 && a <= f * b)}' "$TMP/bench.out" &&
        pass "bench: $1 costs at most $2 times $3" || fail "bench: $1 costs more than $2 times $3" "$(cat "$TMP/bench.out")"
}
phase_bench() {
    build bench || return
    timeout -k 5 "$LIMIT" "$EMU" "$TMP/bench" >"$TMP/bench.out" 2>&1 || { fail "bench" "$(tail -n 10 "$TMP/bench.out")"; return; }
    sed 's/^/        /' "$TMP/bench.out" >&2
    # Each was once wrong by an order of magnitude.
    within near 5 cold
    within many 12 rewrite
    within threads 12 rewrite
    within views 12 rewrite
    within beside 3 apart
    [ -z "$with_qemu" ] || { say "        by QEMU:"; timeout -k 5 "$LIMIT" "$QEMU" "$TMP/bench" 2>&1 | sed 's/^/        /' >&2; }
}

# More code than is worth keeping, and ever new code in the same place: right, and in memory that has an end.
phase_memory() {
    build bench || return
    local huge=${HUGE:-8}
    timeout -k 5 "$LIMIT" "$EMU" "$TMP/bench" huge "$huge" >"$TMP/out" 2>&1
    same "$huge MB of generated code: status" 0 $?
    same "$huge MB of generated code: both rounds are right" 2 "$(grep -c ': right,' "$TMP/out")"
    sed 's/^/        /' "$TMP/out" >&2
    timeout -k 5 "$LIMIT" "$EMU" "$TMP/bench" churn "${CHURN:-200000}" >"$TMP/out" 2>&1
    same "churn: status" 0 $?
    sed 's/^/        /' "$TMP/out" >&2
    if awk '$1 == "churn" {ok = $(NF - 2) < 100} END {exit !ok}' "$TMP/out"; then pass "churn: less than 100 MB"; else fail "churn: memory" "$(cat "$TMP/out")"; fi
}

[ $# -gt 0 ] || set -- alone threads bench memory
for phase; do
    declare -F "phase_$phase" >/dev/null || give_up "no phase $phase"
    "phase_$phase"
done
finish
