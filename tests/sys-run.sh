#!/bin/bash
# The kernel's word: each tests/sys/*.c is built for both architectures and run natively and by run-foreign; output and exit status agree.
#   tests/sys-run.sh [--qemu] [NAME…]       --qemu: show also what QEMU answers (for information; it doesn't count)
# GUEST_CC and RUNNER put another compiler for the guest and another command in front of the program (tests/pairs.sh), LDFLAGS other libraries.
set -u
. "$(dirname "$0")/lib.sh"
QEMU=${QEMU:-qemu-aarch64-static}
with_qemu=
[ "${1:-}" != --qemu ] || { with_qemu=1; shift; }
need "$CC_ARM64" "$CC_AMD64" timeout
need_program
make_tmp
SRC=${SYS_SRC:-$TESTS/sys}
LIMIT=${LIMIT:-120}
GUEST_CC=${GUEST_CC:-$CC_ARM64}
read -ra runner <<<"${RUNNER:-$EMU}"
read -ra flags <<<"${LDFLAGS:--static}"

# run LABEL PROGRAM [EMULATOR]: the program, always under one name and in a fresh folder of one name; leaves $TMP/out.LABEL with output and status. stderr is for people.
run() {
    local label=$1 program=$2 dir=$TMP/dir; shift 2
    rm -rf "$dir"; mkdir -p "$dir"; ln -f "$program" "$TMP/prog"
    ( cd "$dir" && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TZ=UTC HOME="$dir" TMPDIR="$dir" \
        timeout -k 5 "$LIMIT" "$@" "$TMP/prog" </dev/null >"$TMP/out.$label" 2>"$TMP/err.$label" )
    echo "status $?" >>"$TMP/out.$label"
    chmod -R u+rwx "$dir" 2>/dev/null; rm -rf "$dir"
}

# `// build: OPTIONS` in the first lines: in place of -static.
build() {
    local name=$1 how
    how=$(sed -n '1,5s|^// build: ||p' "$SRC/$name.c")
    "$CC_AMD64" -O1 -w -pthread ${how:--static} -o "$TMP/native" "$SRC/$name.c" -lm >"$TMP/build" 2>&1 &&
        "$GUEST_CC" -O1 -w -pthread -o "$TMP/guest" "$SRC/$name.c" ${how:-"${flags[@]}"} -lm >>"$TMP/build" 2>&1
}

one() {
    local name=$1 report only
    # `// guest: MACHINE`: for guests of that architecture only.
    only=$(sed -n '1,5s|^// guest: ||p' "$SRC/$name.c")
    [[ $("$GUEST_CC" -dumpmachine) == ${only:-}* ]] || { skip "$name" "for $only guests"; return; }
    build "$name" || { fail "$name: build" "$(cat "$TMP/build")"; return; }
    run native "$TMP/native"
    run guest "$TMP/guest" "${runner[@]}"
    if cmp -s "$TMP/out.native" "$TMP/out.guest"; then
        pass "$name"
    else
        report=$(diff "$TMP/out.native" "$TMP/out.guest"; sed 's/^/stderr: /' "$TMP/err.guest" | tail -n 15)
        fail "$name" "$report"
    fi
    [ -n "$with_qemu" ] || return 0
    run qemu "$TMP/guest" "$QEMU"
    cmp -s "$TMP/out.native" "$TMP/out.qemu" && say "        (QEMU agrees)" ||
        say "        (QEMU differs in $(diff "$TMP/out.native" "$TMP/out.qemu" | grep -c '^[<>]') lines)"
}

[ $# -gt 0 ] || { cd "$SRC" && set -- *.c; cd - >/dev/null || exit; }
for f; do
    f=$(basename "$f" .c)
    [ -f "$SRC/$f.c" ] || { fail "$f" "no $SRC/$f.c"; continue; }
    one "$f"
done
finish
