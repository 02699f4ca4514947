#!/bin/bash
# Runtimes that compile at run time, in an arm64 Debian by us and in an amd64 one natively: programs of tests/jit/work print the same, again and
# again, on one core and on all.
#   tests/jit-runtimes.sh [build] [NAME…]      build: make the roots and stop; NAME: only these runs
#   ROUNDS=how often each (4: every other one on one core), SUITE_DEBIAN (trixie), MIRROR, ROOT_AMD64, ROOT_ARM64: roots that exist
set -u
. "$(dirname "$0")/lib.sh"
ARGS=("$@")
SUITE_DEBIAN=${SUITE_DEBIAN:-trixie}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
INCLUDE=nodejs,openjdk-21-jdk-headless,openjdk-25-jdk-headless,luajit,php8.4-cli,php8.4-opcache,ruby3.3,ruby-ffi,pypy3,erlang-base,guile-3.0,chezscheme,sbcl,tcc,python3,python3-cffi,gcc,libc6-dev,mono-runtime,mono-mcs,gjs,qemu-user,libjavascriptcoregtk-6.0-1,gawk,procps
ROUNDS=${ROUNDS:-4}
LIMIT=${LIMIT:-600}
need_root
isolate "${ARGS[@]}"
need timeout awk taskset
need_program
make_tmp

build() {
    local arch=$1 dir=$CACHE/jit-$1
    if [ -z "${FRESH:-}" ] && [ "$(cat "$dir.made" 2>/dev/null)" = "$INCLUDE" ]; then return 0; fi
    need mmdebstrap
    mkdir -p "$CACHE"; rm -rf --one-file-system "$dir" "$dir.made"
    timeout -k 20 "${BUILD_LIMIT:-3000}" mmdebstrap --mode=root --arch="$arch" --variant=apt --include="$INCLUDE" --aptopt='Acquire::Languages "none"' \
        --aptopt='Acquire::Check-Date "false"' --aptopt='Acquire::Retries "3"' "$SUITE_DEBIAN" "$dir" "deb $MIRROR $SUITE_DEBIAN main" >"$TMP/build.log" 2>&1 ||
        { tail -n 20 "$TMP/build.log" >&2; return 1; }
    printf '%s' "$INCLUDE" >"$dir.made"
}

prepare() {
    ROOT_AMD64=${ROOT_AMD64:-$CACHE/jit-amd64}
    [ "$ROOT_AMD64" != "$CACHE/jit-amd64" ] || build amd64 || give_up "no amd64 root"
    if [ -z "${ROOT_ARM64:-}" ]; then
        register || give_up "cannot register"
        build arm64 || give_up "no arm64 root"
        unregister
        ROOT_ARM64=$CACHE/jit-arm64
    fi
    local root
    for root in "$ROOT_AMD64" "$ROOT_ARM64"; do
        mount --rbind --make-rslave /proc "$root/proc" && mount --rbind --make-rslave /dev "$root/dev" && mount -t tmpfs -o mode=1777 tmpfs "$root/tmp" &&
            mkdir "$root/tmp/work" && cp "$TESTS"/jit/work/* "$root/tmp/work/" || give_up "cannot mount in $root"
        at_exit "umount -l '$root/tmp' '$root/dev' '$root/proc'"
    done
}

# in_root native|ours COMMAND-LINE
in_root() {
    local run=(chroot "$ROOT_AMD64")
    [ "$1" = native ] || run=("$EMU" --root "$ROOT_ARM64")
    ${PIN:-} timeout -k 5 "$LIMIT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 TZ=UTC HOME=/tmp "${run[@]}" /bin/sh -c "cd /tmp/work && $2" </dev/null
}

# run NAME COMMAND-LINE [EXPECTED-FROM]: with the output of a run of that name, or of the same command natively, for expectation. ARCH in the
# command stands for the architecture's name.
WANTED=()
run() {
    local name=$1 command=$2 from=${3:-$1} round out rc ms start times=() differ=0
    [ ${#WANTED[@]} = 0 ] || [[ " ${WANTED[*]} " == *" $name "* ]] || return 0
    if [ ! -e "$TMP/native.$from" ]; then
        in_root native "${command//ARCH/amd64}" >"$TMP/native.$from" 2>"$TMP/err"; rc=$?
        [ $rc = 0 ] && [ -s "$TMP/native.$from" ] || { fail "$name: natively" "status $rc: $(tail -n 10 "$TMP/err")"; rm -f "$TMP/native.$from"; return; }
    fi
    for ((round = 0; round < ROUNDS; round++)); do
        start=$(date +%s%N)
        PIN=; ((round % 2)) && PIN="taskset -c 0"
        in_root ours "${command//ARCH/arm64}" >"$TMP/out" 2>"$TMP/err"; rc=$?
        ms=$((($(date +%s%N) - start) / 1000000)); times+=("$ms")
        if [ $rc != 0 ] || ! cmp -s "$TMP/native.$from" "$TMP/out" || grep -aqE "$CRASH" "$TMP/err"; then
            differ=$((differ + 1))
            { echo "round $round, status $rc, $ms ms"; diff -a "$TMP/native.$from" "$TMP/out" | head -n 12; tail -n 12 "$TMP/err"; } >"$TMP/differ"
        fi
    done
    if [ $differ = 0 ]; then pass "$name ($ROUNDS times, $(printf '%s\n' "${times[@]}" | sort -n | awk '{t[NR] = $1} END {print t[1] "–" t[NR]}') ms)"
    else fail "$name: $differ of $ROUNDS" "$(cat "$TMP/differ")"; fi
}

java_runs() {
    local v=$1 bin=/usr/lib/jvm/java-$1-openjdk-ARCH/bin options
    run "javac-$v" "mkdir -p c$v && $bin/javac -d c$v Jit.java && cat c$v/*.class | md5sum"
    in_root native "mkdir -p j$v && ${bin//ARCH/amd64}/javac -d j$v Jit.java" 2>"$TMP/err" || { fail "java-$v: natively" "$(cat "$TMP/err")"; return; }
    rm -rf "$ROOT_ARM64/tmp/work/j$v"; cp -r "$ROOT_AMD64/tmp/work/j$v" "$ROOT_ARM64/tmp/work/j$v"
    run "java-$v" "$bin/java -cp j$v Jit 2"
    while read -r name options; do
        run "java-$v-$name" "$bin/java $options -cp j$v Jit 2" "java-$v"
    done <<'END'
int -Xint
c1 -XX:TieredStopAtLevel=1
c2 -XX:-TieredCompilation
comp -Xcomp
serial -XX:+UseSerialGC -Xmx64m
parallel -XX:+UseParallelGC -Xmx64m
g1 -XX:+UseG1GC -Xmx64m
z -XX:+UseZGC -Xmx256m
shenandoah -XX:+UseShenandoahGC -Xmx96m
stress -XX:+UnlockDiagnosticVMOptions -XX:+StressLCM -XX:+StressGCM -XX:+StressIGVN -XX:+StressCCP -XX:StressSeed=7 -XX:PerMethodTrapLimit=10000
small -XX:ReservedCodeCacheSize=5m -XX:InitialCodeCacheSize=2500k -XX:+UseCodeCacheFlushing
END
    run "jshell-$v" "printf 'int f(int n) { return n < 2 ? n : f(n-1) + f(n-2); }\nSystem.out.println(f(22));\nvar l = java.util.stream.IntStream.range(0, 1000).boxed().toList();\nSystem.out.println(l.stream().mapToInt(i -> i).sum());\n/exit\n' >s && $bin/jshell s </dev/null"
}

all_runs() {
    local name options
    while read -r name options; do
        # Without a compiler there is no WebAssembly.
        case $name in *jitless) run "$name" "node $options jit.js" ;; *) run "$name" "node $options jit.js" node ;; esac
    done <<'END'
node
node-jitless --jitless --no-expose-wasm --no-warnings
node-sparkplug --always-sparkplug
node-maglev --maglev
node-turbofan --always-turbofan
node-stress --stress-inline --deopt-every-n-times=5000 --gc-interval=5000
node-flush --stress-flush-code --flush-bytecode --single-threaded-gc
END
    for options in -joff -jon "-O3" "-Ohotloop=2 -Ohotexit=1" "-Omaxtrace=20 -Omaxmcode=64 -Osizemcode=16"; do run "luajit${options// /}" "luajit $options jit.lua" luajit; done
    for name in disable function tracing; do
        run "php-$name" "php -d opcache.enable_cli=1 -d opcache.jit_buffer_size=64M -d opcache.jit=$name jit.php" php
    done
    run ruby "ruby jit.rb"
    run pypy "pypy3 jit.py"
    run ffi "python3 ffi.py"
    run erlang "erlc jit.erl && erl -noshell -s jit main"
    run guile "guile --no-auto-compile jit.scm"
    run guile-compiled "guile --auto-compile jit.scm 2>/dev/null" guile
    run chez "chezscheme --script jit.scm"
    run sbcl "sbcl --script jit.lisp"
    run tcc "for i in 1 2 3 4 5 6 7 8; do tcc -run jit.c; done"
    run mono "mcs -out:Jit.exe Jit.cs && mono Jit.exe"
    run gjs "gjs jit-plain.js"
    run jsc "python3 jsc.py" gjs
    java_runs 21
    java_runs 25
}

# An emulator in the emulator: its code generator's output is the guest. The program is the amd64 root's.
emulated() {
    [ ${#WANTED[@]} = 0 ] || [[ " ${WANTED[*]} " == *" qemu "* ]] || return 0
    in_root native "gcc -O1 -w -static -o jit-amd64 jit.c" && cp "$ROOT_AMD64/tmp/work/jit-amd64" "$ROOT_ARM64/tmp/work/" || { fail "qemu: natively"; return; }
    run qemu "if [ ARCH = amd64 ]; then ./jit-amd64; else qemu-x86_64 ./jit-amd64; fi"
}

prepare
if [ "${1:-}" = build ]; then shift; [ $# -gt 0 ] || finish; fi
WANTED=("$@")
all_runs
emulated
finish
