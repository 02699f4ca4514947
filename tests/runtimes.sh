#!/bin/bash
# Language runtimes, compilers and servers, installed by apt-get into an arm64 and an amd64 Debian and given the same jobs; outputs and exit
# statuses must agree.
#   tests/runtimes.sh [SECTION|SECTION/CASE]...      all by default; each section is a folder of tests/programs/runtimes
#   SUITE_DEBIAN (trixie), MIRROR         what to install from where
#   BASE_AMD64, BASE_ARM64                configured minimal roots to start from in place of new ones
#   KEEP_ROOTS=1                          keep the sections' roots (in CACHE) for the next run
#   SLOW=N                                watchdogs wait N times as long (1), for a machine that is busy with other things
#
# A section's folder holds `packages` (NAME@ARCH: on that architecture only; src:NAME: its source, in /usr/src), cases (NAME.sh, started by sh in
# an empty folder as root, with a loopback device, process ids and System V IPC of its own), and what these need, at /srv/SECTION. The first lines
# of a case may say:
#   # limit: SECONDS       the watchdog, 300 if not said
#   # arm64 only           nothing to compare with: it prints what went wrong, and must print nothing but `done`
set -u
shopt -s extglob
. "$(dirname "$0")/lib.sh"
ARGS=("$@")
SUITE_DEBIAN=${SUITE_DEBIAN:-trixie}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
SECTIONS=$TESTS/programs/runtimes

isolate "${ARGS[@]}"
need_root
need mmdebstrap timeout unshare ip awk
need_program
make_tmp

# base ARCH: a configured minimal Debian; prints its folder.
base() {
    local arch=$1 given=BASE_${1^^} dir=$CACHE/minimal-$1
    if [ -n "${!given:-}" ]; then printf '%s\n' "${!given}"; return; fi
    if [ "$(cat "$dir.made" 2>/dev/null)" != "$SUITE_DEBIAN $MIRROR" ]; then
        rm -rf --one-file-system "$dir" "$dir.made"; mkdir -p "$CACHE"
        timeout -k 20 1800 mmdebstrap --mode=root --arch="$arch" --variant=minbase --include=ca-certificates,procps --skip=essential/unlink \
            --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Retries "3"' \
            "$SUITE_DEBIAN" "$dir" "deb $MIRROR $SUITE_DEBIAN main" >"$CACHE/minimal-$arch.log" 2>&1 ||
            { tail -n 30 "$CACHE/minimal-$arch.log" >&2; return 1; }
        printf '%s' "$SUITE_DEBIAN $MIRROR" >"$dir.made"
    fi
    printf '%s\n' "$dir"
}

ENVIRON=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/tmp/home DEBIAN_FRONTEND=noninteractive)

# inside ROOT NET LIMIT COMMAND…: in a root with its own processes, IPC, /proc, /run and /tmp, and (NET=own) its own network; all of it ends with the watchdog.
inside() {
    local root=$1 net=$2 limit=$3; shift 3
    [ "$net" = own ] && net=--net || net=
    timeout -k 10 "$limit" unshare --mount --pid --ipc $net --fork --kill-child --propagation private bash -c '
        root=$1; shift
        [ -z "$1" ] || ip link set lo up; shift
        mount -t proc proc "$root/proc" && mount --rbind --make-rslave /dev "$root/dev" && mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" &&
            mount -t tmpfs -o mode=755 tmpfs "$root/run" && mkdir -m 1777 "$root/run/lock" || exit 125
        exec chroot "$root" "$@"' inside "$root" "$net" env -i "${ENVIRON[@]}" "$@" </dev/null
}

# root SECTION ARCH: a root with the section's packages in it; sets ROOT.
root() {
    local section=$1 arch=$2 packages sources from start=$SECONDS
    ROOT=$CACHE/runtimes-$section-$arch
    packages=$(grep -v '^#' "$SECTIONS/$section/packages" | tr ' ' '\n' | awk -F@ -v a="$arch" 'NF == 1 || $2 == a { print $1 }' | xargs)
    sources=$(tr ' ' '\n' <<<"$packages" | sed -n 's/^src://p' | xargs)
    if [ "$(cat "$ROOT.made" 2>/dev/null)" != "$packages" ]; then
        from=$(base "$arch") || { fail "$section: no minimal $arch root"; return 1; }
        rm -rf --one-file-system "$ROOT" "$ROOT.made"
        # Device nodes can't be made in a user namespace; /dev is the machine's.
        mkdir -p "$ROOT/dev" && (shopt -s dotglob; for e in "$from"/*; do [ "${e##*/}" = dev ] || cp -a --reflink=auto "$e" "$ROOT/" || exit; done) ||
            { fail "$section: no copy of the minimal $arch root"; return 1; }
        printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d" && chmod 755 "$ROOT/usr/sbin/policy-rc.d"
        cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
        sed "s/^deb /deb-src /" "$ROOT/etc/apt/sources.list" >"$ROOT/etc/apt/sources.list.d/source.list"
        if ! inside "$ROOT" shared "${APT_LIMIT:-2400}" sh -c "apt-get -o Acquire::Check-Date=false -o APT::Sandbox::User=root update &&
            apt-get -o Acquire::Retries=3 -o APT::Sandbox::User=root install -y --no-install-recommends ${packages//src:*([^ ])/} && apt-get clean &&
            cd /usr/src && for p in $sources; do apt-get -o Acquire::Retries=3 -o APT::Sandbox::User=root source --download-only \$p || exit; done" >"$CACHE/runtimes-$section-$arch.log" 2>&1; then
            fail "$section: apt-get install ($arch)" "$(tail -n 30 "$CACHE/runtimes-$section-$arch.log")"; return 1
        fi
        [ "$arch" != arm64 ] || same "$section: apt-get install, no crash in the log ($((SECONDS - start)) s)" "" \
            "$(grep -aE "$CRASH" "$CACHE/runtimes-$section-$arch.log"; dpkg-query --admindir="$ROOT/var/lib/dpkg" -W -f '${db:Status-Abbrev}${Package}\n' | grep -v ^ii)"
        printf '%s' "$packages" >"$ROOT.made"
    fi
    rm -rf "$ROOT/srv/$section" && cp -a "$SECTIONS/$section" "$ROOT/srv/$section"
}

unroot() { [ -n "${KEEP_ROOTS:-}" ] || rm -rf --one-file-system "$CACHE/runtimes-$1-amd64" "$CACHE/runtimes-$1-arm64" "$CACHE/runtimes-$1"-*.made; }

# job SECTION CASE ARCH: output and status in $TMP/ARCH, messages in $TMP/ARCH.err, seconds (and those of the processors) in TOOK.
job() {
    local section=$1 name=$2 arch=$3 limit TIMEFORMAT='%0R s (%0U + %0S)'
    ROOT=$CACHE/runtimes-$section-$arch
    limit=$(sed -nE '1,5s/^# limit: ([0-9]+)$/\1/p' "$SECTIONS/$section/$name.sh")
    { time inside "$ROOT" own $((${limit:-300} * ${SLOW:-1})) /bin/sh -c "umask 022; ulimit -c 0; chmod 1777 /tmp; rm -rf /tmp/home /tmp/run; mkdir -p /tmp/home /tmp/run && cd /tmp/run && exec /bin/sh /srv/$section/$name.sh" \
        >"$TMP/$arch" 2>"$TMP/$arch.err"; printf 'status %s\n' $? >>"$TMP/$arch"; } 2>"$TMP/took"
    TOOK=$(tail -n 1 "$TMP/took")
}

run_case() {
    local section=$1 name=$2 native=
    if sed -n 1,5p "$SECTIONS/$section/$name.sh" | grep -qx '# arm64 only'; then
        printf 'done\nstatus 0\n' >"$TMP/amd64"
    else
        job "$section" "$name" amd64; native="natively $TOOK, "
        tail -n 1 "$TMP/amd64" | grep -qx 'status 0' || { fail "$section/$name: fails natively" "$(tail -n 20 "$TMP/amd64" "$TMP/amd64.err")"; return; }
    fi
    job "$section" "$name" arm64
    if ! cmp -s "$TMP/amd64" "$TMP/arm64"; then
        fail "$section/$name ($native$TOOK)" "$(diff -a "$TMP/amd64" "$TMP/arm64" | head -n 30; tail -n 15 "$TMP/arm64.err" | sed 's/^/stderr: /')"
    elif grep -aqE "$CRASH" "$TMP/arm64.err"; then
        fail "$section/$name: right output, but a crash on stderr" "$(tail -n 15 "$TMP/arm64.err")"
    else
        pass "$section/$name ($native$TOOK)"
    fi
}

section() { # SECTION [CASE]
    local name arch
    for arch in amd64 arm64; do root "$1" $arch || return; done
    for name in "$SECTIONS/$1"/${2:-*}.sh; do
        name=${name##*/}
        run_case "$1" "${name%.sh}"
    done
    unroot "$1"
}

[ $# -gt 0 ] || set -- $(cd "$SECTIONS" && ls)
register || give_up "cannot register"
for wanted; do
    [ -f "$SECTIONS/${wanted%%/*}/packages" ] || give_up "no section $wanted"
    case $wanted in
    */*) section "${wanted%%/*}" "${wanted#*/}" ;;
    *) section "$wanted" ;;
    esac
done
finish
