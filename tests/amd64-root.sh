#!/bin/bash
# A Debian for amd64 in the program built for arm64 hosts: the workloads of tests/programs/work and tests/programs/amd64, natively by chroot and by
# us, print the same. No arm64 machine is needed: the arm64 build is run by the amd64 build, whose kernel is as good as the real one, and by QEMU.
#   tests/amd64-root.sh [own|pair|qemu]… [-- NAME…]      own and qemu by default; NAME: only these workloads
# (go, which builds a program with the standard library, takes an hour under two emulators and is done only by name).
# own: run-foreign for amd64 runs run-foreign for arm64. qemu: QEMU does, and starts it for its children by binfmt_misc. pair: the amd64 build runs the
# programs itself (the same guest and Linux, without the arm64 host), to see whose fault a failure is.
#   ROOT_AMD64 a root that exists; SUITE_DEBIAN (trixie), MIRROR; QEMU (10 or newer); LIMIT seconds a workload; ROUNDS
set -u
. "$(dirname "$0")/lib.sh"
ARGS=("$@")
ARM64_PROGRAM=$(realpath -m "${ARM64_PROGRAM:-$REPO/target/aarch64-unknown-linux-gnu/release/run-foreign}")
QEMU=$(command -v "${QEMU:-qemu-aarch64-static}")
SUITE_DEBIAN=${SUITE_DEBIAN:-trixie}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
INCLUDE=python3,perl,gcc,libc6-dev,git,sqlite3,openssl,ca-certificates,xz-utils,zstd,bzip2,procps,file,golang-go,openjdk-21-jdk-headless,nodejs
LIMIT=${LIMIT:-900}
ROUNDS=${ROUNDS:-1}
need_root
isolate "${ARGS[@]}"
need timeout awk
need_program
[ -x "$ARM64_PROGRAM" ] || give_up "$ARM64_PROGRAM is not there (cargo build --release --target aarch64-unknown-linux-gnu)"
make_tmp

build() {
    local dir=$CACHE/all-amd64
    ROOT_AMD64=$dir
    if [ -z "${FRESH:-}" ] && [ "$(cat "$dir.made" 2>/dev/null)" = "$INCLUDE" ]; then return 0; fi
    need mmdebstrap
    mkdir -p "$CACHE"; rm -rf --one-file-system "$dir" "$dir.made"
    timeout -k 20 "${BUILD_LIMIT:-3000}" mmdebstrap --mode=root --arch=amd64 --variant=apt --include="$INCLUDE" --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Retries "3"' "$SUITE_DEBIAN" "$dir" "deb $MIRROR $SUITE_DEBIAN main" >"$TMP/build.log" 2>&1 ||
        give_up "no amd64 root: $(tail -n 20 "$TMP/build.log")"
    printf '%s' "$INCLUDE" >"$dir.made"
}

prepare() {
    local root
    [ -n "${ROOT_AMD64:-}" ] || build
    root=$ROOT_AMD64
    mount --rbind --make-rslave /proc "$root/proc" && mount --rbind --make-rslave /dev "$root/dev" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" &&
        mkdir "$root/tmp/work" && cp "$TESTS"/programs/work/* "$TESTS"/programs/amd64/* "$TESTS"/jit/work/{Jit.java,jit.js} "$root/tmp/work/" || give_up "cannot mount in $root"
    at_exit "umount -l '$root/tmp' '$root/dev' '$root/proc'"
}

# in_root KIND COMMAND…
in_root() {
    local run kind=$1; shift
    case $kind in
    native) run=(chroot "$ROOT_AMD64") ;;
    own) run=("$RUN_FOREIGN" "$ARM64_PROGRAM" --root "$ROOT_AMD64") ;;
    pair) run=(env RUN_FOREIGN_TEST=native "$RUN_FOREIGN" --root "$ROOT_AMD64") ;;
    qemu) run=("$QEMU" "$ARM64_PROGRAM" --root "$ROOT_AMD64") ;;
    esac
    timeout -k 5 "$LIMIT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/tmp/home "${run[@]}" "$@" </dev/null
}

# workload KIND NAME OUT: output and status into OUT, messages into OUT.err, milliseconds into OUT.ms.
workload() {
    local kind=$1 name=$2 out=$3 start
    start=$(date +%s%N)
    in_root "$kind" /bin/bash -c "umask 022; rm -rf /tmp/run; mkdir -p /tmp/home /tmp/run && cd /tmp/run && . /tmp/work/$name.sh" >"$out" 2>"$out.err"
    echo "status $?" >>"$out"
    echo $((($(date +%s%N) - start) / 1000000)) >"$out.ms"
}

natively() {
    local name=$1
    [ ! -e "$TMP/native.$name" ] || return 0
    case $name in golang) in_root native /bin/sh -c 'cd /tmp/work && GOCACHE=/tmp/gocache GO111MODULE=off CGO_ENABLED=0 go build -o go-main go.go' >"$TMP/err" 2>&1 ;; esac
    workload native "$name" "$TMP/native.$name"
    tail -n 1 "$TMP/native.$name" | grep -qx 'status 0' && return
    fail "$name: natively" "$(tail -n 20 "$TMP/native.$name" "$TMP/native.$name.err")"
    return 1
}

compare() {
    local kind=$1 name out=$TMP/out round bad; shift
    for name; do
        natively "$name" || continue
        bad=
        for ((round = 0; round < ROUNDS; round++)); do
            workload "$kind" "$name" "$out"
            if ! cmp -s "$TMP/native.$name" "$out"; then
                bad=$(diff -a "$TMP/native.$name" "$out" | head -n 25; sed 's/^/stderr: /' "$out.err" | tail -n 15)
            elif grep -aqE "$CRASH" "$out.err"; then
                bad="right output, but a crash on stderr: $(tail -n 15 "$out.err")"
            fi
            [ -z "$bad" ] || break
        done
        if [ -n "$bad" ]; then fail "$kind: $name" "$bad"
        else pass "$kind: $name ($(cat "$TMP/native.$name.ms") ms natively, $(cat "$out.ms") ms)"; fi
    done
}

# What the kernel tells of the machine, as an amd64 program sees it.
machine() {
    local kind=$1 out
    same "$kind: uname" "$(in_root native uname -smo)" "$(in_root "$kind" uname -smo 2>&1)"
    out=$(in_root "$kind" env LD_SHOW_AUXV=1 /bin/true 2>&1)
    has "$kind: AT_PLATFORM" '^AT_PLATFORM: +x86_64$' "$out"
    has "$kind: AT_HWCAP2" '^AT_HWCAP2: +0x2$' "$out"
    if [ "$kind" = qemu ]; then skip "$kind: /proc/cpuinfo" "QEMU answers with a file of its own making"
    else has "$kind: /proc/cpuinfo" '^flags.*: .* sse4_2 .* avx2 ' "$(in_root "$kind" cat /proc/cpuinfo 2>&1)"; fi
    has "$kind: the loader's levels" 'x86-64-v3 \(supported, searched\)' "$(in_root "$kind" /lib64/ld-linux-x86-64.so.2 --help 2>&1)"
}

# What builders and the kernel meet: an entry for amd64, the check program in an empty root, and the emulator by BuildKit's name with nothing registered.
contract() {
    local kind=$1 entry=$BINFMT/run-foreign-x86_64 text front=("$RUN_FOREIGN") script
    [ "$kind" = own ] || return 0
    # While it is registered, no amd64 program runs here: nothing but the shell itself.
    timeout 60 "$RUN_FOREIGN" "$ARM64_PROGRAM" install >"$TMP/install" 2>&1
    text=$(<"$entry"); echo -1 >"$entry"
    has "$kind: install says what it did" '^run-foreign-x86_64: amd64 programs now run by ' "$(cat "$TMP/install")"
    has "$kind: the entry's interpreter" "^interpreter $ARM64_PROGRAM\$" "$text"
    has "$kind: its flags" '^flags: POCF$' "$text"
    has "$kind: its magic" '^magic 7f454c4602010100000000000000000002003e00$' "$text"
    has "$kind: its mask" '^mask fffffffffffefe00000000fffffffffffeffffff$' "$text"
    has "$kind: arm64 needs no entry" 'arm64 programs run natively' "$(timeout 60 "$RUN_FOREIGN" "$ARM64_PROGRAM" install arm64 2>&1)"
    # 64 and the level of the processor, which BuildKit asks for with nothing else in the root.
    mkdir -p "$TMP/empty" && cat >"$TMP/level.c" <<'C'
#include <cpuid.h>
void _start(void) {
  unsigned a, b, c, d, level = 1, v2 = bit_SSE3 | bit_SSSE3 | bit_CMPXCHG16B | bit_SSE4_1 | bit_SSE4_2 | bit_POPCNT;
  __cpuid(1, a, b, c, d);
  if ((c & v2) == v2) level = 2;
  __asm__ volatile("syscall" ::"a"(60), "D"(64 + level));
  __builtin_unreachable();
}
C
    "$CC_AMD64" -O1 -nostdlib -static -s -o "$TMP/empty/check" "$TMP/level.c" || give_up "cannot compile"
    timeout 60 "$RUN_FOREIGN" "$ARM64_PROGRAM" --root "$TMP/empty" /check >/dev/null 2>&1; same "$kind: the check program in an empty root" 66 $?
    # The order of memory, in the code that is made.
    ordered() { timeout 120 "$RUN_FOREIGN" "$ARM64_PROGRAM" "$@" --dump asm --root "$ROOT_AMD64" /bin/true 2>&1 | grep -cE '\b(ldap|stl)u?r'; }
    same "$kind: loads acquire and stores release" yes "$([ "$(ordered)" -gt 1000 ] && echo yes)"
    same "$kind: unless --memory-order relaxed" 0 "$(ordered --memory-order relaxed)"
    cp "$ARM64_PROGRAM" "$ROOT_AMD64/tmp/work/.buildkit_qemu_emulator" && chmod 555 "$ROOT_AMD64/tmp/work/.buildkit_qemu_emulator"
    script='uname -m; readlink /proc/self/exe; echo a | tr a b; printf "#!/bin/sh -e\necho script \$0 \$*\n" >/tmp/s; chmod +x /tmp/s; cd /tmp; ./s 1 "2 3"; nosuch; echo $?; : >e; chmod +x e; ./e; echo $?; /tmp; echo $?; bash -c "exec -a name sh -c \"echo \\\$0\""; (exec env -i /usr/bin/env); kill -9 $$'
    front+=(--root "$ROOT_AMD64" /tmp/work/.buildkit_qemu_emulator)
    text=$(in_root native /bin/sh -c "$script" 2>/dev/null; echo $?)
    same "$kind: nothing registered, by BuildKit's name" "$text" "$(timeout 120 env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/tmp/home "${front[@]}" /bin/sh -c "$script" 2>/dev/null </dev/null; echo $?)"
}

kinds=() names=()
while [ $# -gt 0 ]; do
    case $1 in --) shift; names=("$@"); break ;; own | pair | qemu) kinds+=("$1") ;; *) give_up "unknown argument $1" ;; esac
    shift
done
[ ${#kinds[@]} -gt 0 ] || kinds=(own qemu)
prepare
[ ${#names[@]} -gt 0 ] || names=(bash coreutils fork500 archives python perl sqlite openssl tls git gcc golang java node)
for kind in "${kinds[@]}"; do
    if [ "$kind" = qemu ]; then
        major=$("$QEMU" --version | sed -nE 's/.* version ([0-9]+).*/\1/p')
        [ "${major:-0}" -ge 10 ] || { skip qemu "QEMU ${major:-?} is too old to run an emulator"; continue; }
        # What the program executes is itself again: the kernel starts QEMU for that.
        [ -e $BINFMT/register ] || mount -t binfmt_misc binfmt_misc $BINFMT || give_up "cannot register"
        printf ':accept-qemu:M:0:%s:%s:%s:POCF' "$MAGIC_ARM64" "$MASK_ARM64" "$QEMU" >$BINFMT/register || give_up "cannot register"
        at_exit "echo -1 >$BINFMT/accept-qemu"
    fi
    machine "$kind"
    contract "$kind"
    compare "$kind" "${names[@]}"
done
finish
