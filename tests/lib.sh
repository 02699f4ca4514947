# Common parts of the acceptance suites. Sourced by each of them; bash.
#
#   RUN_FOREIGN   the program under test
#   EMULATOR      another emulator's static binary to be put in its place, to see how a suite does with a known one
#                 (it is registered by hand, and what only run-foreign's own command line offers is skipped)
#   CACHE         where downloads and root file systems are kept
#   KEEP=1        leave the temporary folder for a look

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(dirname "$TESTS")
RUN_FOREIGN=$(realpath -m "${RUN_FOREIGN:-$REPO/target/x86_64-unknown-linux-musl/release/run-foreign}")
EMULATOR=${EMULATOR:+$(realpath -m "$EMULATOR")}
CACHE=$(realpath -m "${CACHE:-$REPO/target/accept}")
SUITE=${SUITE:-$(basename "$0" .sh)}
SELF=$(realpath "$0")
BINFMT=/proc/sys/fs/binfmt_misc
CC_ARM64=${CC_ARM64:-aarch64-linux-gnu-gcc}
CC_AMD64=${CC_AMD64:-gcc}
PASSED=0 FAILED=0 SKIPPED=0 FAILURES=()
export LC_ALL=C TZ=UTC

say() { printf '%s\n' "$*" >&2; }

pass() { PASSED=$((PASSED + 1)); say "ok      $1"; }

# fail NAME [DETAIL]: DETAIL is shown indented.
fail() {
    FAILED=$((FAILED + 1)); FAILURES+=("$1"); say "FAILED  $1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | head -n "${DETAIL_LINES:-40}" | sed 's/^/        | /' >&2
}

skip() { SKIPPED=$((SKIPPED + 1)); say "skipped $1${2:+: $2}"; }

# same NAME EXPECTED ACTUAL
same() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1" "$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3"))"; fi
}

# has NAME PATTERN TEXT: an extended regular expression occurs in the text.
has() { if grep -qE -- "$2" <<<"$3"; then pass "$1"; else fail "$1" "no /$2/ in: $(tail -n 15 <<<"$3")"; fi; }

# succeeds NAME COMMAND…
succeeds() {
    local name=$1 out rc; shift
    out=$("$@" 2>&1); rc=$?
    if [ $rc = 0 ]; then pass "$name"; else fail "$name" "status $rc: $(tail -n 12 <<<"$out")"; fi
    return $rc
}

# The last line and the exit status of a suite.
finish() {
    local f
    for f in "${FAILURES[@]}"; do say "  failed: $f"; done
    printf '%s: %d passed, %d failed%s\n' "$SUITE" "$PASSED" "$FAILED" "$([ "$SKIPPED" = 0 ] || echo ", $SKIPPED skipped")"
    [ "$FAILED" = 0 ]; exit
}

# give_up REASON: the suite cannot run at all.
give_up() { FAILED=$((FAILED + 1)); say "$SUITE: $*"; finish; }

need() { local t; for t; do command -v "$t" >/dev/null || give_up "needs $t (see tools/test)"; done; }

need_root() { [ "$(id -u)" = 0 ] || give_up "must run as root"; }

# The file under test must be there; EMU is what is registered.
need_program() {
    EMU=${EMULATOR:-$RUN_FOREIGN}
    [ -x "$EMU" ] || give_up "$EMU is not there (cargo build --release)"
}

ours() { [ -z "$EMULATOR" ]; }

# A temporary folder that normal users can enter, and its removal with whatever is mounted below; suites add to `at_exit`.
AT_EXIT=()
at_exit() { AT_EXIT=("$1" "${AT_EXIT[@]}"); }

clean_up() {
    local rc=$? c
    trap - EXIT; trap '' INT TERM HUP
    for c in "${AT_EXIT[@]}"; do eval "$c"; done
    if [ -n "${TMP:-}" ]; then
        awk -v d="$TMP" 'index($2, d "/") == 1 {print $2}' /proc/self/mounts | sort -r | while read -r m; do umount -l "$m"; done
        [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$TMP"
    fi
    exit $rc
}

make_tmp() {
    TMP=$(mktemp -d "${TMPDIR:-/tmp}/run-foreign-$SUITE.XXXXXX") || exit 1
    chmod 755 "$TMP"
    trap clean_up EXIT
    trap 'exit 143' INT TERM HUP
}

# Start this script again in user, mount and process namespaces of its own, with all ids mapped: since Linux 6.7 binfmt_misc is per user
# namespace, so nothing that is registered there shows on the machine, and mounts and processes go when it ends. On older kernels in a
# mount namespace only.
isolate() {
    [ -z "${ISOLATED:-}" ] || return 0
    need unshare
    if [ "$(id -u)" != 0 ]; then isolate_user "$@"; fi
    local dir go p rc
    dir=$(mktemp -d); go=$dir/go; mkfifo "$go"
    ISOLATED=user unshare -U -m -p -f --kill-child --propagation private bash -c '
        read -r _ <"$1" || exit 1; shift
        mount -t proc proc /proc && mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 99
        exec "$@"' isolate "$go" bash "$SELF" "$@" &
    p=$!
    # The namespace's first process, too: once it has got its ids the kernel forgets that it should die with unshare.
    trap 'kill -KILL $(cat /proc/$p/task/$p/children 2>/dev/null) $p 2>/dev/null' EXIT; trap 'exit 143' INT TERM HUP
    local i=0
    while [ "$(readlink /proc/$p/ns/user)" = "$(readlink /proc/self/ns/user)" ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i + 1)); done
    if awk '{print $1, $1, $3}' /proc/self/uid_map >/proc/$p/uid_map && awk '{print $1, $1, $3}' /proc/self/gid_map >/proc/$p/gid_map; then
        echo >"$go"; wait $p; rc=$?
    else
        kill $p; rc=99
    fi
    rm -rf "$dir"
    trap - EXIT
    [ $rc = 99 ] || exit $rc
    say "$SUITE: no binfmt_misc of its own here; using the machine's"
    export ISOLATED=mount
    exec unshare -m --propagation private bash -c '
        [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 1
        exec "$@"' isolate bash "$SELF" "$@"
}

# The same for a normal user, whose ids come from /etc/subuid.
isolate_user() {
    ISOLATED=user exec unshare --map-root-user --map-auto -m -p -f --kill-child --propagation private bash -c '
        mount -t proc proc /proc && mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 1
        exec "$@"' isolate bash "$SELF" "$@"
}

# The same for container engines, which want the machine's own user namespace: mounts, processes and network apart, what is registered not.
isolate_engine() {
    [ -z "${ISOLATED:-}" ] || return 0
    need_root; need unshare ip
    # There is no network inside.
    base_root arm64 >/dev/null || give_up "no base root"
    ISOLATED=engine unshare -m -p -n -f --kill-child --mount-proc --propagation private bash -c '
        [ -e /proc/sys/fs/binfmt_misc/register ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || exit 1
        mount -t tmpfs tmpfs /run; ip link set lo up
        exec "$@"' isolate bash "$SELF" "$@" &
    local p=$!
    trap 'kill $p 2>/dev/null; wait $p' INT TERM HUP
    wait $p; exit
}

# Let the kernel start arm64 programs by the program under test, and stop doing so.
MAGIC_ARM64='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
MASK_ARM64='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'

register() {
    if ours; then
        timeout 20 "$RUN_FOREIGN" install --replace >/dev/null || return
    else
        [ -e $BINFMT/register ] || mount -t binfmt_misc binfmt_misc $BINFMT || return
        [ ! -e $BINFMT/accept-emulator ] || echo -1 >$BINFMT/accept-emulator
        printf ':accept-emulator:M:0:%s:%s:%s:POCF' "$MAGIC_ARM64" "$MASK_ARM64" "$EMULATOR" >$BINFMT/register || return
    fi
    at_exit unregister
}

unregister() {
    if ours; then timeout 20 "$RUN_FOREIGN" uninstall >/dev/null; else [ ! -e $BINFMT/accept-emulator ] || echo -1 >$BINFMT/accept-emulator; fi
}

# The texts by which a program of ours would show that it crashed rather than failed.
CRASH='panicked at|RUST_BACKTRACE|internal error|stack backtrace|fault inside|uncaught target signal'

# base_root ARCH: a small unconfigured Debian with a shell, the core tools and a C compiler, made without running anything in it; prints its
# folder. Unpacked packages are all that a base image for the builders' tests needs.
base_root() {
    local arch=$1 dir=$CACHE/base-$1
    local include=base-files,dash,bash,coreutils,grep,sed,findutils,diffutils,libc-bin,gcc,libc6-dev,perl-base,python3-minimal
    if [ "$(cat "$dir.made" 2>/dev/null)" != "$include" ] || [ ! -d "$dir/opt" ]; then
        need mmdebstrap
        mkdir -p "$CACHE" && rm -rf --one-file-system "$dir" "$dir.made"
        timeout -k 10 900 mmdebstrap --mode="${MMDEBSTRAP_MODE:-root}" --arch="$arch" --variant=extract --include="$include" --aptopt='Acquire::Check-Date "false"' \
            --aptopt='Acquire::Languages "none"' "${SUITE_DEBIAN:-trixie}" "$dir" "deb ${MIRROR:-http://deb.debian.org/debian} ${SUITE_DEBIAN:-trixie} main" \
            >"$CACHE/base-$arch.log" 2>&1 || { tail -n 20 "$CACHE/base-$arch.log" >&2; rm -rf --one-file-system "$dir"; return 1; }
        # What the packages' scripts would have made.
        mkdir -p "$dir"/opt "$dir"/srv "$dir"/mnt "$dir"/usr/local/bin
        [ -e "$dir/bin/sh" ] || ln -s dash "$dir/usr/bin/sh"
        printf '%s' "$include" >"$dir.made"
    fi
    printf '%s\n' "$dir"
}
