#!/bin/bash
# Signals, threads and forks under stress: programs of tests/sys that take -n, in modes that make every race more likely. What they print is
# the same whatever happens, so it must be what they print natively.
#   tests/stress.sh [--qemu] [NAME…]       --qemu: show also what QEMU answers (for information; it doesn't count)
#   ROUNDS    how long each program runs (default: TIMES / 200, or 1)
#   REPEAT    how often each is started in each mode
set -u
. "$(dirname "$0")/lib.sh"
QEMU=${QEMU:-qemu-aarch64-static}
with_qemu=
[ "${1:-}" != --qemu ] || { with_qemu=1; shift; }
need "$CC_ARM64" "$CC_AMD64" timeout taskset
need_program
make_tmp
ROUNDS=${ROUNDS:-$((${TIMES:-200} / 200))}
[ "$ROUNDS" -gt 0 ] || ROUNDS=1
LIMIT=${LIMIT:-$((60 + 60 * ROUNDS))}
LAST=$(($(nproc) - 1))

# run LABEL COMMAND...: in a fresh folder; output and status to $TMP/out.LABEL.
run() {
    local label=$1 dir=$TMP/dir; shift
    mkdir -p "$dir"
    ( cd "$dir" && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME="$dir" TMPDIR="$dir" RUN_FOREIGN_TEST="$modes" \
        timeout -k 5 "$LIMIT" "$@" </dev/null >"$TMP/out.$label" 2>"$TMP/err.$label" )
    echo "status $?" >>"$TMP/out.$label"
    rm -rf "$dir"
}

# compare NAME MODE [COMMAND...]: the guest program, started by the command, says what the native one says.
compare() {
    local name=$1 mode=$2 i; shift 2
    for ((i = 0; i < ${REPEAT:-1}; i++)); do
        run guest "$@" "$EMU" "$TMP/guest" -n "$ROUNDS"
        cmp -s "$TMP/out.native" "$TMP/out.guest" && continue
        fail "$name, $mode" "$(diff "$TMP/out.native" "$TMP/out.guest"; sed 's/^/stderr: /' "$TMP/err.guest" | tail -n 15)"
        return
    done
    pass "$name, $mode"
}

one() {
    local name=$1 modes=
    "$CC_AMD64" -O1 -w -pthread -static -o "$TMP/native" "$TESTS/sys/$name.c" -lm >"$TMP/build" 2>&1 &&
        "$CC_ARM64" -O1 -w -pthread -static -o "$TMP/guest" "$TESTS/sys/$name.c" -lm >>"$TMP/build" 2>&1 ||
        { fail "$name: build" "$(cat "$TMP/build")"; return; }
    run native "$TMP/native" -n "$ROUNDS"
    compare "$name" "one processor" taskset -c "$LAST"
    modes=cache=65536,verify
    compare "$name" "tiny cache"
    if [ "$ROUNDS" -gt 1 ]; then
        compare "$name" "tiny cache, one processor" taskset -c 0
        modes=
        compare "$name" "all processors"
    fi
    [ -n "$with_qemu" ] || return 0
    modes=
    LIMIT=60 run qemu "$QEMU" "$TMP/guest" -n 1
    cmp -s "$TMP/out.native" "$TMP/out.qemu" && say "        (QEMU agrees)" ||
        say "        (QEMU differs: $(diff "$TMP/out.native" "$TMP/out.qemu" | grep -c '^[<>]') lines, $(tail -n 1 "$TMP/out.qemu"))"
}

[ $# -gt 0 ] || set -- sigstorm threadlife futexes forkstorm seccomp sigdetail faultfix jobs attributes
for name; do one "$name"; done
finish
