#!/bin/bash
# RUN steps of arm64 Dockerfiles on this machine, by a Docker daemon of our own (BuildKit): before `install`, with it, after `uninstall`, and with
# the emulator in the daemon's PATH instead of the kernel's binfmt_misc.
#   DOCKER, DOCKERD   Debian's by default (a client elsewhere in PATH may want plugins)
#   STORAGE           storage driver (overlay2; vfs if that is refused)
set -u
. "$(dirname "$0")/lib.sh"
DOCKER=${DOCKER:-/usr/bin/docker}
DOCKERD=${DOCKERD:-/usr/sbin/dockerd}
isolate_engine "$@"
need "$DOCKER" "$DOCKERD" tar timeout
need_program
make_tmp
# Sockets and namespaces of the daemon's own; /run is a tmpfs of this mount namespace.
D=/run/accept
export DOCKER_HOST=unix://$D/docker.sock DOCKER_BUILDKIT=1 BUILDKIT_PROGRESS=plain DOCKER_CONFIG=$TMP/config
PLATFORM=(--platform linux/arm64)

docker() { timeout -k 5 "${LIMIT:-300}" "$DOCKER" "$@" </dev/null; }

stop_daemon() {
    [ -n "${DAEMON:-}" ] || return 0
    kill "$DAEMON" 2>/dev/null
    timeout 30 tail --pid="$DAEMON" -f /dev/null || kill -KILL "$DAEMON"
    wait "$DAEMON" 2>/dev/null; DAEMON=
}

try_daemon() {
    "$DOCKERD" --data-root "$TMP/data" --exec-root "$D/exec" --host "$DOCKER_HOST" --pidfile "$D/pid" --storage-driver "$1" \
        --exec-opt native.cgroupdriver=cgroupfs "${NET[@]}" >>"$TMP/dockerd.log" 2>&1 &
    DAEMON=$!
    local i
    for i in $(seq 120); do
        "$DOCKER" version >/dev/null 2>&1 && return 0
        kill -0 $DAEMON 2>/dev/null || break
        sleep 0.5
    done
    stop_daemon; return 1
}

start_daemon() {
    mkdir -p "$D"
    NET=()
    [ -n "${STORAGE:-}" ] || STORAGE=overlay2
    try_daemon "$STORAGE" && return
    # No bridge here: RUN steps then need to say that they want no network.
    NET=(--bridge none --iptables=false --ip6tables=false); NETWORK=(--network none)
    try_daemon "$STORAGE" || { STORAGE=vfs; try_daemon vfs; } || give_up "dockerd doesn't start: $(tail -n 20 "$TMP/dockerd.log")"
}
NETWORK=()
at_exit stop_daemon
at_exit 'rmdir /sys/fs/cgroup/*/docker /sys/fs/cgroup/docker 2>/dev/null'

build() { # NAME [OPTION…]
    local name=$1; shift
    docker build "${PLATFORM[@]}" "${NETWORK[@]}" -t "$name" -f "$TMP/ctx/$name.Dockerfile" "$@" "$TMP/ctx" 2>&1
}
run() { docker run --rm "${PLATFORM[@]}" "${NETWORK[@]}" "$@" 2>&1; }
platform() { docker image inspect --format '{{.Os}}/{{.Architecture}}' "$1"; }

base=$(base_root arm64) || give_up "no base root"
mkdir "$TMP/ctx" && cp "$TESTS"/programs/docker/* "$TMP/ctx/" && chmod -R a+rX "$TMP/ctx"
start_daemon
say "        ($("$DOCKER" version --format '{{.Server.Version}}'), $STORAGE${NETWORK:+, no bridge})"

mkdir "$TMP/base" && printf 'FROM scratch\nADD rootfs.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCMD ["/bin/sh"]\n' >"$TMP/base/Dockerfile"
tar -C "$base" --exclude=./dev/* --one-file-system -cf "$TMP/base/rootfs.tar" . || give_up "cannot pack the base"
out=$(docker build "${PLATFORM[@]}" "${NETWORK[@]}" -t base "$TMP/base" 2>&1) || give_up "no base image: $out"
rm -rf "$TMP/base"

refused() { # LABEL: with nothing registered
    local out
    if out=$(build a --no-cache); then fail "$1: the build fails" "it succeeded"; else has "$1: exec format error" 'exec format error' "$out"; fi
    out=$(run base /bin/true) && fail "$1: docker run fails" || has "$1: docker run: exec format error" 'exec format error' "$out"
}

builds() { # LABEL
    local out
    succeeds "$1: (a) builds" build a --no-cache
    same "$1: (a) the image's platform" linux/arm64 "$(platform a)"
    succeeds "$1: (b) builds" build b --no-cache
    succeeds "$1: (c) builds" build c --no-cache
    out=$(build d --no-cache --build-arg WHO=me); [ $? = 0 ] && pass "$1: (d) builds" || fail "$1: (d) builds" "$(tail -n 12 <<<"$out")"
    has "$1: (d) a script's output in the build" "aarch64 1234 hello there \['as', 'user'\]" "$out"
}

runs() {
    local out
    same "(a) docker run cat /opt/ma" 1234 "$(run a cat /opt/ma)"
    out=$(run b)
    has "(b) first line" '^Built as: linux/arm64$' "$out"; has "(b) uname -a" '^Linux .* aarch64 ' "$out"; same "(b) ls /app" file.txt "$(tail -n 1 <<<"$out")"
    same "(c) the compiled program" "hello from aarch64, 1 arguments: x y" "$(run c 'x y')"
    same "(d) a script as a user" "aarch64 1234 hello there ['at', 'run']" "$(run d)"
    same "(d) ARG" me "$(run d cat /tmp/who)"
    run a sh -c 'exit 42' >/dev/null; same "exit status" 42 $?
    run a sh -c 'sh -c "kill -TERM \$\$"; exit $?' >/dev/null; same "a process kills its shell" 143 $?
    run a /no/such >/dev/null; same "missing program" 127 $?
    local id; id=$(docker run -d "${PLATFORM[@]}" "${NETWORK[@]}" a sleep 300)
    same "docker exec" aarch64 "$(docker exec "$id" uname -m 2>&1)"
    has "docker top" 'sleep 300' "$(docker top "$id" 2>&1)"
    docker kill -s TERM "$id" >/dev/null; docker rm -f "$id" >/dev/null
    same "standard input" "HELLO" "$(printf 'hello' | timeout 60 "$DOCKER" run -i --rm "${PLATFORM[@]}" "${NETWORK[@]}" a tr a-z A-Z 2>&1)"
    same "ten at once" "10" "$(for i in $(seq 10); do run a uname -m & done | grep -c aarch64; wait)"
}

[ -n "$(ls "$BINFMT" | grep -vxE 'register|status|accept-emulator' | xargs -r -I{} sh -c "grep -l b700 $BINFMT/{}" 2>/dev/null)" ] &&
    skip "before install" "the machine has an emulator registered" || refused "before install"
register || give_up "cannot register"
builds installed
runs
unregister
refused "after uninstall"
same "nothing is left registered" "" "$(ls "$BINFMT" | grep -vxE 'register|status')"

# BuildKit's own way: an emulator in the daemon's PATH, bind-mounted into each step.
stop_daemon
mkdir "$TMP/bin" && cp "$EMU" "$TMP/bin/buildkit-qemu-aarch64"
PATH=$TMP/bin:$PATH start_daemon
builds "emulator in PATH"
stop_daemon
grep -aE "$CRASH" "$TMP/dockerd.log" | head -n 5 >&2
finish
