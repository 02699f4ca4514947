#!/bin/bash
# The four pairs of guest and host: programs of either architecture, by the program built for either. What they print is what they print natively.
#   tests/pairs.sh [PAIR…]       amd64-amd64, arm64-amd64 (guest-host), arm64-arm64, amd64-arm64, and amd64-arm64-amd64: the program for arm64
#                                hosts run by the one for amd64 hosts
# Programs of the host's own kind are translated because RUN_FOREIGN_TEST says so. The program for arm64 hosts runs under QEMU (its own execve is not
# caught there, so programs that execute others are left out) and under ourselves.
set -u
. "$(dirname "$0")/lib.sh"
ARM64_PROGRAM=$(realpath -m "${ARM64_PROGRAM:-$REPO/target/aarch64-unknown-linux-gnu/release/run-foreign}")
QEMU=${QEMU:-qemu-aarch64-static}
need "$CC_ARM64" "$CC_AMD64" timeout "$QEMU"
need_program
ours || { say "pairs: only for run-foreign"; finish; }
NATIVE="env RUN_FOREIGN_TEST=native"
export LIMIT=${LIMIT:-120}

# What every pair runs, and what takes execve.
programs=(stat signals threads memory faults poll x86)
with_exec=(exec vfork)

# pair NAME COMPILER LOADER LIBRARIES COMMAND…: LOADER and LIBRARIES are for dynamic programs.
pair() {
    local name=$1 cc=$2 loader=$3 libraries=$4 out line; shift 4
    local dynamic="-Wl,--dynamic-linker=$loader -Wl,-rpath,$libraries"
    local names=("${programs[@]}")
    [[ "$*" == *"$QEMU"* ]] || names+=("${with_exec[@]}")
    while IFS= read -r line; do
        case $line in
        'ok '*) pass "$name: ${line#ok *}" ;;
        'FAILED'*) fail "$name: ${line#FAILED *}" ;;
        '        | '*) say "$line" ;;
        esac
    done < <(
        GUEST_CC=$cc RUNNER="$*" bash "$TESTS/sys-run.sh" "${names[@]}" 2>&1 | sed 's/^\(ok\|FAILED\) */&static /'
        GUEST_CC=$cc RUNNER="$*" LDFLAGS=$dynamic bash "$TESTS/sys-run.sh" stat threads 2>&1 | sed 's/^\(ok\|FAILED\) */&dynamic /'
    )
}

arm64=("$CC_ARM64" /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 /usr/aarch64-linux-gnu/lib)
amd64=("$CC_AMD64" /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu)

[ $# -gt 0 ] || set -- amd64-amd64 arm64-amd64 arm64-arm64 amd64-arm64 amd64-arm64-amd64
for name; do
    case $name in *-arm64*) [ -x "$ARM64_PROGRAM" ] || { fail "$name" "$ARM64_PROGRAM is not there (cargo build --release --target aarch64-unknown-linux-gnu)"; continue; } ;; esac
    case $name in
    amd64-amd64) pair "$name" "${amd64[@]}" $NATIVE "$RUN_FOREIGN" ;;
    arm64-amd64) pair "$name" "${arm64[@]}" "$RUN_FOREIGN" ;;
    arm64-arm64) pair "$name" "${arm64[@]}" $NATIVE "$QEMU" "$ARM64_PROGRAM" ;;
    amd64-arm64) pair "$name" "${amd64[@]}" "$QEMU" "$ARM64_PROGRAM" ;;
    amd64-arm64-amd64) pair "$name" "${amd64[@]}" "$RUN_FOREIGN" "$ARM64_PROGRAM" ;;
    *) give_up "unknown pair $name" ;;
    esac
done
finish
