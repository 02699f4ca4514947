#!/bin/bash
# The four pairs of guest and host: programs of either architecture, by the program built for either. What they print is what they print natively.
#   tests/pairs.sh [PAIR…]       guest-host: amd64-amd64, arm64-amd64, arm64-arm64, amd64-arm64, and the last two under QEMU
# Programs of the host's own kind are translated because RUN_FOREIGN_TEST says so. The program for arm64 hosts runs under the one for amd64 hosts, whose
# kernel is as good as the real one; under QEMU, an emulator of other people's, only what that does as a kernel would (it has no robust
# locks, no futex_waitv, no memory shared by processes, no exit signals but SIGCHLD, no execve of programs for arm64).
set -u
. "$(dirname "$0")/lib.sh"
ARM64_PROGRAM=$(realpath -m "${ARM64_PROGRAM:-$REPO/target/aarch64-unknown-linux-gnu/release/run-foreign}")
QEMU=${QEMU:-qemu-aarch64-static}
need "$CC_ARM64" "$CC_AMD64" timeout "$QEMU"
need_program
ours || { say "pairs: only for run-foreign"; finish; }
NATIVE="env RUN_FOREIGN_TEST=native"
export LIMIT=${LIMIT:-120}

programs=(calls code exec faults fork memory signals stat threads vfork)
under_qemu=(clocks code faultfix faults)
dynamic=(stat futexes)

# pair NAME COMPILER LOADER LIBRARIES COMMAND…: LOADER and LIBRARIES are for dynamic programs.
pair() {
    local name=$1 cc=$2 loader=$3 libraries=$4 line names=("${programs[@]}") two=("${dynamic[@]}"); shift 4
    # An arm64 host ignores the top byte of addresses: of those that are non-canonical there only, x86 expects faults.
    case $name in amd64-amd64) names+=(carry legacy x86) ;; amd64-arm64) names+=(carry legacy litmus) ;; esac
    case $name in *-qemu) names=("${under_qemu[@]}") two=(clocks) ;; esac
    case $name in amd64-*-qemu) names+=(carry) ;; esac
    while IFS= read -r line; do
        case $line in
        'ok '*) pass "$name: ${line#ok *}" ;;
        'FAILED '*) fail "$name: ${line#FAILED *}" ;;
        '        | '*) say "$line" ;;
        esac
    done < <(
        GUEST_CC=$cc RUNNER="$*" bash "$TESTS/sys-run.sh" "${names[@]}" 2>&1
        GUEST_CC=$cc RUNNER="$*" LDFLAGS="-Wl,--dynamic-linker=$loader -Wl,-rpath,$libraries" bash "$TESTS/sys-run.sh" "${two[@]}" 2>&1 |
            sed -E 's/^(ok|FAILED) +/&dynamic /'
    )
}

# BuildKit's question to a processor: 66 from x86-64-v2 on, 65 below.
level() {
    local name=$1 out; shift
    out=$(timeout "$LIMIT" "$@" "$TMP/level" 2>&1); same "$name: the level of the processor" 66 "$?"
}
make_tmp
cat >"$TMP/level.c" <<'C'
#include <cpuid.h>
void _start(void) {
  unsigned a, b, c, d, v2 = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT;
  __cpuid(1, a, b, c, d);
  unsigned level = (c & v2) == v2 ? 2 : 1;
  __cpuid(0x80000001, a, b, c, d);
  if (!(c & bit_LAHF_LM)) level = 1;
  __asm__ volatile("syscall" ::"a"(60), "D"(64 + level));
  __builtin_unreachable();
}
C
"$CC_AMD64" -O1 -nostdlib -static -o "$TMP/level" "$TMP/level.c" || give_up "cannot compile"

arm64=("$CC_ARM64" /usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1 /usr/aarch64-linux-gnu/lib)
amd64=("$CC_AMD64" /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu)

[ $# -gt 0 ] || set -- amd64-amd64 arm64-amd64 arm64-arm64 amd64-arm64 arm64-arm64-qemu amd64-arm64-qemu
# QEMU 7.2 is no kernel that an emulator could run on: no second mapping by mremap, and processes that hang.
major=$("$QEMU" --version | sed -nE 's/.* version ([0-9]+).*/\1/p')
[ "${major:-0}" -ge 10 ] || { say "pairs: not under QEMU ${major:-?}, which is too old"; set -- $(printf '%s\n' "$@" | grep -v -e '-qemu$'); }
for name; do
    case $name in *-arm64*) [ -x "$ARM64_PROGRAM" ] || { fail "$name" "$ARM64_PROGRAM is not there (cargo build --release --target aarch64-unknown-linux-gnu)"; continue; } ;; esac
    case $name in
    amd64-amd64) pair "$name" "${amd64[@]}" $NATIVE "$RUN_FOREIGN"; level "$name" $NATIVE "$RUN_FOREIGN" ;;
    arm64-amd64) pair "$name" "${arm64[@]}" "$RUN_FOREIGN" ;;
    arm64-arm64) pair "$name" "${arm64[@]}" $NATIVE "$RUN_FOREIGN" "$ARM64_PROGRAM" ;;
    amd64-arm64) pair "$name" "${amd64[@]}" "$RUN_FOREIGN" "$ARM64_PROGRAM"; level "$name" "$RUN_FOREIGN" "$ARM64_PROGRAM" ;;
    arm64-arm64-qemu) pair "$name" "${arm64[@]}" $NATIVE "$QEMU" "$ARM64_PROGRAM" ;;
    amd64-arm64-qemu) pair "$name" "${amd64[@]}" "$QEMU" "$ARM64_PROGRAM"; level "$name" "$QEMU" "$ARM64_PROGRAM" ;;
    *) give_up "unknown pair $name" ;;
    esac
done
finish
