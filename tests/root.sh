#!/bin/bash
# A Debian system of the other architecture, made and used: every maintainer script of mmdebstrap and the workloads of tests/programs/work run
# by us, and compared with what the same packages print natively in an amd64 root.
#   tests/root.sh [build|chroot|user|apt|apt-user]…      all by default, in that order
#   SUITE_DEBIAN (trixie), MIRROR, INCLUDE, ONLY="git sqlite"   what to install from where; only these workloads
# Roots are kept in CACHE and built again when the package list changes or FRESH=1.
set -u
. "$(dirname "$0")/lib.sh"
ARGS=("$@")
SUITE_DEBIAN=${SUITE_DEBIAN:-trixie}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
INCLUDE=${INCLUDE:-python3,perl,gcc,libc6-dev,git,sqlite3,openssl,ca-certificates,xz-utils,zstd,bzip2,procps,file}
# For apt-get install: small, of different kinds (C, Perl, Python, shell; with libraries, alternatives and triggers).
TEN=${TEN:-"hello tree jq bc less patch time zip unzip python3-six"}
USER_ID=${USER_ID:-54321}
WORK=$TESTS/programs/work

isolate "${ARGS[@]}"
need mmdebstrap timeout setpriv awk
need_program
make_tmp
mkdir -p "$CACHE/deb-arm64" "$CACHE/deb-amd64"

# debootstrap ARCH DIR: the packages are kept between runs.
bootstrap() {
    local arch=$1 dir=$2 deb=$CACHE/deb-$1
    timeout -k 20 "${BUILD_LIMIT:-3000}" mmdebstrap --mode=root --arch="$arch" --variant=apt --include="$INCLUDE" \
        --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Retries "3"' \
        --skip=essential/unlink \
        --setup-hook='mkdir -p "$1/var/cache/apt/archives"' --setup-hook="sync-in $deb /var/cache/apt/archives" \
        --customize-hook="sync-out /var/cache/apt/archives $deb" \
        "$SUITE_DEBIAN" "$dir" "deb $MIRROR $SUITE_DEBIAN main" >"$TMP/bootstrap-$arch.log" 2>&1
}

want() { printf '%s\n' "$SUITE_DEBIAN $MIRROR $INCLUDE"; }

# build ARCH: $CACHE/root-ARCH.
build() {
    local arch=$1 dir=$CACHE/root-$1 start=$SECONDS
    if [ -z "${FRESH:-}" ] && [ "$(cat "$dir.made" 2>/dev/null)" = "$(want)" ]; then return 0; fi
    rm -rf --one-file-system "$dir.new" "$dir" "$dir.made"
    if ! bootstrap "$arch" "$dir.new"; then
        grep -vE '^I: |^(Get|Preparing|Unpacking|Selecting|\(Reading)' "$TMP/bootstrap-$arch.log" | tail -n 60 >"$CACHE/bootstrap-$arch.err"
        rm -rf --one-file-system "$dir.failed"; mv "$dir.new" "$dir.failed"
        return 1
    fi
    mv "$dir.new" "$dir"; want >"$dir.made"
    cp "$TMP/bootstrap-$arch.log" "$CACHE/bootstrap-$arch.log"
    say "        ($arch root made in $((SECONDS - start)) s)"
}

phase_build() {
    build amd64 || give_up "no amd64 root: $(cat "$CACHE/bootstrap-amd64.err")"
    register || give_up "cannot register"
    FRESH=${FRESH-1} build arm64
    if [ $? = 0 ]; then pass "mmdebstrap --arch=arm64"; else fail "mmdebstrap --arch=arm64" "$(cat "$CACHE/bootstrap-arm64.err")"; return 1; fi
    [ ! -f "$CACHE/bootstrap-arm64.log" ] || same "no crash in the log" "" "$(grep -aE "$CRASH" "$CACHE/bootstrap-arm64.log")"
    same "every package is installed and configured" "" "$(chroot_list arm64 | grep -v '^ii')"
    same "the same packages as natively" "$(chroot_list amd64 | names)" "$(chroot_list arm64 | names)"
    same "the same files in /etc" "$(etc_files amd64)" "$(etc_files arm64)"
}
chroot_list() { dpkg-query --admindir="$CACHE/root-$1/var/lib/dpkg" -W -f '${db:Status-Abbrev}${Package} ${Version}\n'; }
# Rebuilds (+b1) differ by architecture. Compilers and a few libraries carry the architecture in their names.
names() { awk '{sub(/\+b[0-9]+$/, "", $3); print $2, $3}' | sed 's/x86-64-linux-gnu\|aarch64-linux-gnu/ARCH/' | sort | grep -vE '^(lib[a-z]*(san|vx|quadmath|cet|itm)|libgcc|linux-libc)[^ ]*' ; }
etc_files() { ( cd "$CACHE/root-$1/etc" && find . -type f | sed 's/x86_64-linux-gnu\|aarch64-linux-gnu/ARCH/' | sort ); }

# The folder of one run: a root file system with /proc, /dev and a /tmp of its own.
mounts() {
    local root=$1
    mount --rbind --make-rslave /proc "$root/proc" && mount --rbind --make-rslave /dev "$root/dev" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" &&
        mkdir "$root/tmp/work" && cp "$WORK"/* "$root/tmp/work/"
}
unmounts() { local m; for m in tmp dev proc; do umount -l "$1/$m" || give_up "cannot unmount $1/$m"; done; }

ENVIRON=(PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/tmp/home DEBIAN_FRONTEND=noninteractive)

# in_root KIND ROOT COMMAND…: natively or by binfmt_misc (chroot), or as a normal user (user).
in_root() {
    local kind=$1 root=$2; shift 2
    case $kind in
    chroot) timeout -k 5 "${LIMIT:-300}" env -i "${ENVIRON[@]}" chroot "$root" "$@" ;;
    user)
        timeout -k 5 "${LIMIT:-300}" setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --no-new-privs env -i "${ENVIRON[@]}" \
            "$TMP/run-foreign" --root "$root" "$@"
        ;;
    esac </dev/null
}

# workload KIND ROOT NAME OUT: output and status into OUT, messages into OUT.err.
workload() {
    local kind=$1 root=$2 name=$3 out=$4 start
    start=$(date +%s%N)
    in_root "$kind" "$root" /bin/sh -c "umask 022; rm -rf /tmp/run; mkdir -p /tmp/home /tmp/run && cd /tmp/run && exec /bin/sh /tmp/work/$name.sh" \
        >"$out" 2>"$out.err"
    echo "status $?" >>"$out"
    echo $((($(date +%s%N) - start) / 1000000)) >"$out.ms"
}

works() { if [ -n "${ONLY:-}" ]; then printf '%s\n' $ONLY; else ( cd "$WORK" && ls ./*.sh | sed 's|./\(.*\).sh|\1|' ); fi; }

# natively: once for each suite run, as the expectation.
natively() {
    [ -z "${NATIVE_DONE:-}" ] || return 0
    local name root=$CACHE/root-amd64
    mounts "$root" || give_up "cannot mount in $root"
    for name in $(works); do
        workload chroot "$root" "$name" "$TMP/native.$name"
        tail -n 1 "$TMP/native.$name" | grep -qx 'status 0' || give_up "$name fails natively: $(tail -n 20 "$TMP/native.$name" "$TMP/native.$name.err")"
    done
    unmounts "$root"
    NATIVE_DONE=1
}

compare() {
    local label=$1 kind=$2 root=$3 name out
    for name in $(works); do
        out=$TMP/$kind.$name
        workload "$kind" "$root" "$name" "$out"
        if ! cmp -s "$TMP/native.$name" "$out"; then
            fail "$label: $name" "$(diff -a "$TMP/native.$name" "$out" | head -n 25; sed 's/^/stderr: /' "$out.err" | tail -n 15)"
        elif grep -aqE "$CRASH" "$out.err"; then
            fail "$label: $name: right output, but a crash on stderr" "$(tail -n 15 "$out.err")"
        else
            pass "$label: $name ($(cat "$TMP/native.$name.ms") ms natively, $(cat "$out.ms") ms)"
        fi
    done
}

phase_chroot() {
    [ -d "$CACHE/root-arm64" ] || { fail "chroot: no arm64 root"; return; }
    natively
    register || give_up "cannot register"
    mounts "$CACHE/root-arm64" || give_up "cannot mount in $CACHE/root-arm64"
    compare chroot chroot "$CACHE/root-arm64"
    unmounts "$CACHE/root-arm64"
}

# A copy that may be written to.
copy_root() { [ -z "$(ls -A "$CACHE/root-$1/proc")" ] || give_up "$CACHE/root-$1 is in use"; rm -rf --one-file-system "$2" && cp -a --reflink=auto "$CACHE/root-$1" "$2"; }

# The user's own root: nothing is registered, nothing is privileged, nothing of ours but the program.
user_root() {
    ours || { skip "$1" "only run-foreign has --root"; return 1; }
    [ -d "$CACHE/root-arm64" ] || { fail "$1: no arm64 root"; return 1; }
    unregister
    [ -e "$TMP/run-foreign" ] || install -m 755 "$RUN_FOREIGN" "$TMP/run-foreign"
    [ -d "$TMP/user" ] || { copy_root arm64 "$TMP/user" && chown -hR "$USER_ID:$USER_ID" "$TMP/user"; } || give_up "cannot copy the root"
}

phase_user() {
    natively
    user_root user || return
    mkdir "$TMP/user/tmp/work" && cp "$WORK"/* "$TMP/user/tmp/work/" && chmod 1777 "$TMP/user/tmp" && chown -R "$USER_ID:$USER_ID" "$TMP/user/tmp"
    same "user: uname -m" aarch64 "$(in_root user "$TMP/user" /bin/sh -c 'uname -m' 2>&1)"
    compare user user "$TMP/user"
}

apt_install() { # KIND ROOT
    # Without ids to change to, apt's download user cannot be had.
    local sandbox=; [ "$1" = chroot ] || sandbox='-o APT::Sandbox::User=root'
    LIMIT=${APT_LIMIT:-1200} in_root "$1" "$2" /bin/sh -c "apt-get $sandbox -o Acquire::Check-Date=false update && apt-get $sandbox install -y --no-install-recommends $TEN"
}
# What the new packages print.
try_ten() {
    in_root "$1" "$2" /bin/sh -c 'hello; mkdir -p /tmp/t/a/b && touch /tmp/t/a/b/c && tree /tmp/t; echo "{\"a\":[1,2,{\"b\":null}]}" | jq -c ".a|reverse"
        echo "scale=50; 4*a(1)" | bc -l; less --version | head -n 1; printf "a\n" >/tmp/t/x; printf "1c1\n< a\n---\n> b\n" | patch /tmp/t/x; cat /tmp/t/x
        time -f "%x" true; cd /tmp/t && zip -qr z.zip a x && rm -r a x && unzip -q z.zip && find . | sort; python3 -c "import six; print(six.PY3)"' 2>&1
}

apt_natively() {
    [ ! -f "$TMP/apt.list" ] || return 0
    copy_root amd64 "$TMP/apt-amd64" && mounts "$TMP/apt-amd64" || give_up "cannot prepare the amd64 root"
    apt_install chroot "$TMP/apt-amd64" >"$TMP/apt.log" 2>&1 || give_up "apt-get fails natively: $(tail -n 20 "$TMP/apt.log")"
    try_ten chroot "$TMP/apt-amd64" >"$TMP/apt.out"
    dpkg_list "$TMP/apt-amd64" | awk '{sub(/\+b[0-9]+$/, "", $3); print $1, $2, $3}' >"$TMP/apt.list"
    unmounts "$TMP/apt-amd64"; rm -rf --one-file-system "$TMP/apt-amd64"
}
dpkg_list() { dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${db:Status-Abbrev} ${Package} ${Version}\n' $TEN; }

apt_check() { # LABEL KIND ROOT
    apt_install "$2" "$3" >"$TMP/apt-$2.log" 2>&1
    same "$1: apt-get update && apt-get install of ten packages" "status 0" "status $?$(grep -aE "$CRASH" "$TMP/apt-$2.log")"
    [ -z "${KEEP:-}" ] || tail -n 30 "$TMP/apt-$2.log" >&2
    same "$1: dpkg -l" "$(cat "$TMP/apt.list")" "$(dpkg_list "$3" | awk '{sub(/\+b[0-9]+$/, "", $3); print $1, $2, $3}')"
    same "$1: all configured" "" "$(dpkg-query --admindir="$3/var/lib/dpkg" -W -f '${db:Status-Abbrev}${Package}\n' | grep -v ^ii)"
    same "$1: the new programs' output" "$(cat "$TMP/apt.out")" "$(try_ten "$2" "$3")"
    grep -aE '^(E|W|dpkg|Err)' "$TMP/apt-$2.log" | head -n 20 >&2
}

phase_apt() {
    [ -d "$CACHE/root-arm64" ] || { fail "apt: no arm64 root"; return; }
    apt_natively
    register || give_up "cannot register"
    copy_root arm64 "$TMP/apt" && mounts "$TMP/apt" || give_up "cannot prepare the root"
    apt_check apt chroot "$TMP/apt"
    unmounts "$TMP/apt"; rm -rf --one-file-system "$TMP/apt"
}

phase_apt-user() {
    apt_natively
    user_root apt-user || return
    apt_check apt-user user "$TMP/user"
}

[ $# -gt 0 ] || set -- build chroot user apt apt-user
for phase; do
    declare -F "phase_$phase" >/dev/null || give_up "no phase $phase"
    "phase_$phase"
done
finish
