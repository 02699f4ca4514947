#!/bin/bash
# Other projects' own tests, run natively in an amd64 Debian root and by us in the same root of arm64; case by case, the verdicts agree.
#   tests/suites.sh [stress-ng|cpython|perl|build]… [-- CASE…]      all by default; only these cases
#   ROOT_AMD64, ROOT_ARM64      roots to be used instead of new ones in CACHE (they are changed only by installing packages)
#   AGAIN="failed" or "all"     what to run again although its result is there
#   LABEL                       the folder of our results (the program's checksum by default, so that a new program starts afresh)
#   STRESS_OPTS, STRESS_OPS, STRESS_TIME, PYTHON_RESOURCES    see the phases
# Every verdict is kept in CACHE/suites/PHASE/{native,LABEL}/CASE, with .log and .ms beside it: a run that was stopped goes on where it was.
# tests/suites/PHASE.known has what may differ, one `CASE cause` a line; tests/suites/PHASE.skip what is not run at all.
set -u
. "$(dirname "$0")/lib.sh"
ARGS=("$@")
SUITE_DEBIAN=${SUITE_DEBIAN:-trixie}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
PACKAGES=(stress-ng python3 libpython3.13-testsuite perl)
USER_ID=${USER_ID:-1000}
LISTS=$TESTS/suites

isolate "${ARGS[@]}"
need timeout setpriv awk unshare python3 ip
need_program
make_tmp
PHASES=() CASES=()
while [ $# -gt 0 ]; do
    [ "$1" != -- ] || { shift; CASES=("$@"); break; }
    PHASES+=("$1"); shift
done
LABEL=${LABEL:-$(sha256sum "$EMU" | cut -c1-12)}
RESULTS=$CACHE/suites
mkdir -p "$RESULTS"
ENVIRON=(PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/tmp DEBIAN_FRONTEND=noninteractive)

root_of() { local v=ROOT_${1^^}; printf '%s' "${!v:-$CACHE/suites-$1}"; }

# make_root ARCH: Debian with PACKAGES; for arm64 every package's scripts are run by us.
make_root() {
    local arch=$1 dir; dir=$(root_of "$arch")
    [ ! -e "$dir/var/lib/dpkg/info/stress-ng.list" ] || return 0
    need mmdebstrap
    timeout -k 20 3000 mmdebstrap --mode=root --arch="$arch" --variant=apt --include="$(IFS=,; echo "${PACKAGES[*]}")" \
        --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Date "false"' "$SUITE_DEBIAN" "$dir" "deb $MIRROR $SUITE_DEBIAN main" \
        >"$TMP/root-$arch.log" 2>&1 || give_up "no $arch root: $(tail -n 20 "$TMP/root-$arch.log")"
}

# in_case SIDE LIMIT COMMAND…: in namespaces of its own (so that nothing stays behind) and a fresh /tmp on a disk, natively or by us.
in_case() {
    local root limit=$2; root=$(root_of "$([ "$1" = native ] && echo amd64 || echo arm64)"); shift 2
    local tmp; tmp=$(mktemp -d "$RESULTS/tmp.XXXXXX") && chmod 1777 "$tmp" || return 97
    timeout -k 10 "$limit" unshare -m -p -n -i -u -f --kill-child --propagation private bash -c '
        root=$1 tmp=$2 files=$3; shift 3
        ip link set lo up
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" && mount --bind "$tmp" "$root/tmp" || exit 97
        [ -z "$files" ] || { mkdir -p "$root/mnt" && mount --bind "$files" "$root/mnt"; } || exit 97
        "$@"; exit $?' in_case "$root" "$tmp" "${FILES:-}" \
        env -i "${ENVIRON[@]}" "${AS_USER[@]}" chroot "${CHROOT_AS[@]}" "$root" "$@" </dev/null
    local rc=$?
    rm -rf --one-file-system "$tmp"
    return $rc
}
AS_USER=() CHROOT_AS=()

# want_run SIDE FILE: is there no usable result yet?
want_run() {
    [ -s "$2" ] || return 0
    case ${AGAIN:-} in
    all) [ "$1" != native ] ;;
    failed) [ "$1" != native ] && [ -e "$2.differs" ] ;;
    *) return 1 ;;
    esac
}

# known LIST CASE: the cause that stands beside a case's name.
known() { awk -v c="$2" '$1 == c { $1 = ""; print substr($0, 2); exit }' "$LISTS/$1" 2>/dev/null; }

# each PHASE LIST-COMMAND RUN-COMMAND: all cases, natively and by us. RUN SIDE CASE OUT leaves verdict lines in OUT, a log in OUT.log.
each() {
    local phase=$1 list=$2 run=$3 case side out start cause
    mkdir -p "$RESULTS/$phase/native" "$RESULTS/$phase/$LABEL"
    if [ ${#CASES[@]} -gt 0 ]; then printf '%s\n' "${CASES[@]}"; else "$list"; fi >"$TMP/cases"
    while read -r case <&3; do
        cause=$(known "$phase.skip" "$case")
        if [ -n "$cause" ]; then skip "$phase: $case" "$cause"; continue; fi
        for side in native "$LABEL"; do
            out=$RESULTS/$phase/$side/$case
            want_run "$side" "$out" || continue
            start=$(date +%s%N)
            "$run" "$side" "$case" "$out.new"
            [ ! -e "$out.new.log" ] || mv "$out.new.log" "$out.log"
            echo $((($(date +%s%N) - start) / 1000000)) >"$out.ms"
            if [ "$side" = native ] && grep -q hangs "$out.new"; then break; fi
            mv "$out.new" "$out"
        done
        [ -s "$RESULTS/$phase/native/$case" ] || { fail "$phase: $case hangs natively"; continue; }
        judge "$phase" "$case" "$RESULTS/$phase/native/$case" "$RESULTS/$phase/$LABEL/$case"
    done 3<"$TMP/cases"
}

OURS_CRASHED='run-foreign: internal error|panicked at [a-z/]*\.rs|uncaught target signal'
# judge PHASE CASE NATIVE OURS: verdict lines `NAME VERDICT`; whatever is better than natively is fine.
judge() {
    local phase=$1 case=$2 differ
    rm -f "$4.differs"
    differ=$(awk '
        NR == FNR { ours[$1] = $2; next }
        FNR == 1 && ours[$1] !~ /^(passed|failed|skipped)$/ { print $1, "natively", $2 ", by us", ours[$1]; exit }
        $2 == "failed" || $2 == ours[$1] || ($2 == "skipped" && ours[$1] == "passed") { next }
        { print $1, "natively", $2 ", by us", (ours[$1] == "" ? "missing" : ours[$1]) }' "$4" "$3" | while read -r name what; do
        [ -n "$(known "$phase.known" "$name")" ] || printf '%s %s\n' "$name" "$what"
    done)
    # The tests' own texts speak of faults: only our own words count.
    if grep -aqE "$OURS_CRASHED" "$4.log" 2>/dev/null; then differ+=$'\n'"a crash of ours: $(grep -aE "$OURS_CRASHED" "$4.log" | head -n 3)"; fi
    if [ -z "$differ" ]; then
        pass "$phase: $case: $(counts "$4") ($(cat "$3.ms") ms natively, $(cat "$4.ms") ms)"
    else
        printf '%s\n' "$differ" >"$4.differs"
        fail "$phase: $case" "$differ"
    fi
}
counts() { awk '{ n[$2]++ } END { for (v in n) printf "%s%d %s", (c++ ? ", " : ""), n[v], v }' "$1"; }

# The time limit of a case: by how long it took natively. A native hang is no result: it is for a better moment, or for the list of skips.
limit_of() { local ms; ms=$(cat "$RESULTS/$1/native/$2.ms" 2>/dev/null || echo 0); [ "$3" = native ] && echo 900 || echo $((ms / 50 + 60)); }

# --- stress-ng: one stressor after another, a little work each, everything verified. STRESS_OPTS are for all of them.
phase_stress-ng() { each stress-ng stressors stressor; }
stressors() { chroot "$(root_of amd64)" stress-ng --stressors | tr ' ' '\n'; }
stressor() {
    local side=$1 name=$2 out=$3 rc
    in_case "$side" "$(limit_of stress-ng "$name" "$side")" stress-ng --temp-path /tmp "--$name" 1 "--$name-ops" "${STRESS_OPS:-200}" -t "${STRESS_TIME:-3}" --verify --oomable ${STRESS_OPTS:-} >"$out.log" 2>&1
    rc=$?
    # "passed: 1: NAME (1)"; a status of its own says that something is not built in.
    awk -v name="$name" -v rc=$rc '
        / (skipped|passed|failed): [1-9]/ { for (i = 1; i <= NF; i++) if ($i ~ /^(skipped|passed|failed):$/) v = substr($i, 1, length($i) - 1) }
        END { if (rc == 124 || rc == 137) v = "hangs"; else if (v == "" || (v == "passed" && rc)) v = "status-" rc; print name, v }' "$out.log" >"$out"
}

# --- CPython: every module of its test package, one process each, as a normal user, with what works offline.
PYTHON_RESOURCES=${PYTHON_RESOURCES:-all,-network,-urlfetch,-audio,-gui,-largefile,-extralargefile}
phase_cpython() {
    CHROOT_AS=(--userspec="$USER_ID:$USER_ID")
    each cpython python_modules python_module
    CHROOT_AS=()
}
python_modules() { chroot "$(root_of amd64)" python3 -m test --list-tests; }
python_module() {
    local side=$1 name=$2 out=$3 limit rc
    limit=$(limit_of cpython "$name" "$side")
    in_case "$side" $((limit + 30)) /bin/sh -c 'cd /tmp && mkdir h && HOME=/tmp/h python3 -m test -W -u "$1" --timeout "$2" --junit-xml /tmp/result.xml "$3"; rc=$?
        [ ! -e /tmp/result.xml ] || { echo "== result.xml"; cat /tmp/result.xml; }; exit $rc' sh "$PYTHON_RESOURCES" "$limit" "$name" >"$out.log" 2>&1
    rc=$?
    python3 "$LISTS/junit.py" "$name" $rc "$out.log" >"$out"
}

# --- perl's core tests (t/ and lib/ of its source) with the installed perl, as a normal user.
phase_perl() {
    local side
    perl_source || give_up "no source of perl"
    for side in amd64 arm64; do perl_tree "$side" || give_up "no tree for perl's tests"; done
    CHROOT_AS=(--userspec="$USER_ID:$USER_ID")
    each perl perl_tests perl_test
    CHROOT_AS=()
}
perl_source() {
    [ ! -e "$RESULTS/perl-source/t/TEST" ] || return 0
    local root; root=$(root_of amd64)
    echo "deb-src $MIRROR $SUITE_DEBIAN main" >"$root/etc/apt/sources.list.d/suites-source.list"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    chroot "$root" /bin/sh -c 'apt-get update && cd /var/tmp && apt-get source --download-only perl' >"$TMP/source.log" 2>&1 ||
        ls "$root"/var/tmp/perl_*.orig.tar.xz >/dev/null || { tail "$TMP/source.log" >&2; return 1; }
    mkdir -p "$RESULTS/perl-source" && tar -C "$RESULTS/perl-source" --strip-components=1 -xf "$root"/var/tmp/perl_*.orig.tar.xz
}
# The tests take modules from ../lib: what is installed, and the source's own files beside.
perl_tree() {
    local dir=$RESULTS/perl-$1 root d; root=$(root_of "$1")
    [ ! -e "$dir/made" ] || return 0
    rm -rf "$dir"; mkdir -p "$dir/lib"
    cp -a "$RESULTS/perl-source/t" "$RESULTS/perl-source/lib" "$dir/"
    for d in "$root"/usr/share/perl/5.*[0-9].*[0-9] "$root"/usr/lib/*/perl/5.*[0-9].*[0-9] "$root"/usr/lib/*/perl-base; do cp -aL "$d/." "$dir/lib/" 2>/dev/null; done
    ln -s /usr/bin/perl "$dir/perl"; ln -s ../perl "$dir/t/perl"
    chown -R "$USER_ID:$USER_ID" "$dir" && touch "$dir/made"
}
# The folders of perl's own t/TEST (without those of the source's form, of other systems and of much memory), and lib/.
perl_tests() {
    ( cd "$RESULTS/perl-source/t" && find base comp run cmd io re opbasic op uni mro class perf test_pl lib japh -name '*.t' | sort && cd .. &&
        find lib -name '*.t' | sed 's,^,../,' | sort ) | tr / +
}
perl_test() {
    local side=$1 name=$2 out=$3 rc file=${2//+//} arch=arm64 taint
    [ "$side" != native ] || arch=amd64
    # A -T of the first line must be said on the command line, too.
    taint=$(sed -nE '1s/^#!.*perl.*[[:space:]]-[a-zA-Z]*([tT]).*/-\1/p' "$RESULTS/perl-source/t/$file")
    # What a stopped run left.
    rm -rf "$RESULTS/perl-$arch"/t/tmp_*
    FILES=$RESULTS/perl-$arch in_case "$side" "$(limit_of perl "$name" "$side")" /bin/sh -c 'cd /mnt/t && exec perl $2 -I../lib "$1"' sh "$file" "$taint" >"$out.log" 2>&1
    rc=$?
    # TAP: a plan, then `[not ]ok N`; a failure that was announced as TODO is none.
    awk -v name="$name" -v rc=$rc '
        /^1\.\.0/ { skipped = 1 }
        /^(not )?ok [0-9]+/ { bad = ($1 == "not" && !/# *(TODO|SKIP)/); n = $1 == "not" ? $3 : $2; v[++c] = name "#" n + 0 " " (bad ? "failed" : "passed"); any += bad }
        END {
            whole = rc == 124 || rc == 137 ? "hangs" : rc > 128 ? "status-" rc : any || rc ? "failed" : skipped ? "skipped" : "passed"
            print name, whole
            for (i = 1; i <= c; i++) print v[i]
        }' "$out.log" >"$out"
}

# --- build-essential in a clean minimal root: each package's scripts, essential ones included, leave what they leave natively.
phase_build() {
    local arch log
    for arch in amd64 arm64; do
        log=$RESULTS/build-$arch.log
        if [ ! -e "$RESULTS/build-$arch/.made" ] || [ -n "${AGAIN:-}" ]; then
            need mmdebstrap
            rm -rf --one-file-system "$RESULTS/build-$arch"
            timeout -k 20 3000 mmdebstrap --mode=root --arch="$arch" --variant=minbase --include=build-essential \
                --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Check-Date "false"' \
                "$SUITE_DEBIAN" "$RESULTS/build-$arch" "deb $MIRROR $SUITE_DEBIAN main" >"$log" 2>&1 && touch "$RESULTS/build-$arch/.made"
            same "build: mmdebstrap --arch=$arch --include=build-essential" "status 0" "status $?$(tail -n 20 "$log" | grep '^E:')"
        fi
        same "build: $arch: no crash in the log" "" "$(grep -aE "$CRASH" "$log")"
        same "build: $arch: everything is configured" "" \
            "$(dpkg-query --admindir="$RESULTS/build-$arch/var/lib/dpkg" -W -f '${db:Status-Abbrev}${Package}\n' | grep -v '^ii')"
        same "build: $arch: dpkg --audit" "" "$(dpkg --root="$RESULTS/build-$arch" --audit 2>&1)"
    done
    same "build: path, kind, mode, owner and target of every file that no package of one architecture alone has" \
        "$(all_files amd64)" "$(all_files arm64)"
    same "build: /etc" "$(contents amd64)" "$(contents arm64)"
}
# The architecture's names become one word. What differs by architecture: the compiler, the C library and its loader, names for setarch, changelogs of
# rebuilds (binNMUs).
one_name='s/x86[-_]64-linux-gnu\|aarch64-linux-gnu/TRIPLE/g; s/x86[-_]64\|aarch64/CPU/g; s/:\?\(amd64\|arm64\)\b//g'
all_files() {
    local root=$RESULTS/build-$1
    ( cd "$root" && find . -xdev \( -path ./proc -o -path ./sys -o -path ./dev -o -path ./tmp -o -path ./var/lib/apt/lists \) -prune -o -printf '%P %y %m %U:%G %l\n' ) |
        sed "$one_name" | grep -vE "$BY_ARCH" | sort -u
}
BY_ARCH='^(usr/lib/gcc/|usr/libexec/gcc|usr/include/|usr/lib/TRIPLE/|usr/share/doc/(lib|cpp-|gcc-|g\+\+-)|var/lib/dpkg/info/|usr/lib(64|32|x32)|lib64|usr/share/(lintian|locale|man)/|var/(log|cache)/|usr/bin/(i386|CPU|ld\.so|linux32) |usr/lib/ld-linux-|usr/share/doc/[^/]*/changelog\.Debian\.\.gz|run/)'
contents() { ( cd "$RESULTS/build-$1/etc" && find . -type f ! -name 'shadow*' ! -name machine-id ! -name ld.so.cache | sort | while read -r f; do
    printf '%s %s\n' "$(sed "$one_name" "$f" | sha256sum)" "$(sed "$one_name" <<<"$f")"; done | sort ); }

[ ${#PHASES[@]} -gt 0 ] || PHASES=(stress-ng cpython perl build)
make_root amd64
register || give_up "cannot register"
make_root arm64
# Tests look up the user that they run as.
for side in amd64 arm64; do
    grep -q "^[^:]*:[^:]*:$USER_ID:" "$(root_of $side)/etc/passwd" || {
        echo "tester:x:$USER_ID:$USER_ID::/tmp:/bin/sh" >>"$(root_of $side)/etc/passwd"
        echo "tester:x:$USER_ID:" >>"$(root_of $side)/etc/group"
    }
done
for phase in "${PHASES[@]}"; do
    declare -F "phase_$phase" >/dev/null || give_up "no phase $phase"
    "phase_$phase"
done
finish
