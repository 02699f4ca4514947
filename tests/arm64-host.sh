#!/bin/bash
# The arm64 host without an arm64 machine: the translator's tests, built for aarch64, run by run-foreign itself.
#   tests/arm64-host.sh [--qemu PROGRAM [CPU]...] [NAME]...
#   --qemu: also by this QEMU, as each of these CPUs (max and cortex-a57); older ones than 8.1 don't see code change behind a second mapping
#   NAME: only these test programs (default: arm64_on_arm64 amd64_on_arm64 engine interrupt filter)
set -u
. "$(dirname "$0")/lib.sh"
TARGET=aarch64-unknown-linux-gnu
qemu=
cpus=()
if [ "${1:-}" = --qemu ]; then
    qemu=$2
    shift 2
    while [[ "${1:-}" =~ ^(max|cortex-.*|neoverse-.*|a64fx)$ ]]; do cpus+=("$1"); shift; done
    [ ${#cpus[@]} -gt 0 ] || cpus=(max cortex-a57)
fi
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(arm64_on_arm64 amd64_on_arm64 engine interrupt filter)
need "$CC_ARM64" cargo timeout
need_program
make_tmp
LIMIT=${LIMIT:-600}
if ! rustc --target "$TARGET" --print target-libdir 2>/dev/null | xargs -r test -d; then
    rustup target add "$TARGET" >/dev/null 2>&1 || { skip "everything" "no $TARGET for Rust, and none to be had"; finish; }
fi

# cases RUNNER NAME: what cargo's words say of each test in a program.
cases() {
    local runner=$1 name=$2 line ended
    (cd "$TESTS/.." && CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=$runner timeout -k 5 "$LIMIT" \
        cargo test --target "$TARGET" -p run-foreign-jit --test "$name" -- --test-threads 1) >"$TMP/out" 2>&1
    ended=$?
    while read -r line; do
        case $line in
        *' ... ok') line=${line#test }; pass "$name: ${line% ... ok}" ;;
        *' ... FAILED') line=${line#test }; fail "$name: ${line% ... FAILED}" "$(grep -A20 'panicked at' "$TMP/out" | head -n 20)" ;;
        esac
    done < <(grep '^test .* \.\.\. ' "$TMP/out")
    grep -q '^test result' "$TMP/out" || fail "$name: ends well" "status $ended; $(tail -n 10 "$TMP/out")"
}

for name in "${names[@]}"; do
    cases "$EMU" "$name"
    for cpu in "${cpus[@]}"; do cases "$qemu -cpu $cpu" "$name"; done
done
finish
