#!/bin/bash
# The Dockerfiles of tests/programs/docker built by buildah and by podman and run by podman, as root, in storage of our own.
#   STORAGE   storage driver (overlay; vfs if that is refused)
set -u
. "$(dirname "$0")/lib.sh"
isolate_engine "$@"
need podman buildah tar timeout
need_program
make_tmp
PLATFORM=(--platform linux/arm64)
export BUILDAH_ISOLATION=${BUILDAH_ISOLATION:-oci} REGISTRY_AUTH_FILE=$TMP/auth.json HOME=$TMP XDG_RUNTIME_DIR=/run/accept TMPDIR=$TMP
mkdir -p /run/accept
echo '{}' >"$REGISTRY_AUTH_FILE"
# No registry is asked for the base: it is localhost/base.
printf 'unqualified-search-registries = []\n[aliases]\n' >"$TMP/registries.conf"
export CONTAINERS_REGISTRIES_CONF=$TMP/registries.conf
printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >"$TMP/policy.json"
printf '[containers]\nlog_driver="k8s-file"\n[engine]\ncgroup_manager="cgroupfs"\nevents_logger="none"\n' >"$TMP/containers.conf"
export CONTAINERS_CONF=$TMP/containers.conf

storage() { printf '%s\n' --root "$TMP/storage" --runroot /run/accept/storage --storage-driver "$STORAGE"; }
podman() { timeout -k 5 "${LIMIT:-300}" podman $(storage) "$@" </dev/null; }
buildah() { timeout -k 5 "${LIMIT:-300}" buildah $(storage) "$@" </dev/null; }
run() { podman run --rm --network none "${PLATFORM[@]}" "$@" 2>&1; }
build() { # TOOL NAME [OPTION…]
    local tool=$1 name=$2; shift 2
    case $tool in
    buildah) buildah bud --format docker --signature-policy "$TMP/policy.json" --network none --layers=false "${PLATFORM[@]}" -t "localhost/$name" -f "$TMP/ctx/$name.Dockerfile" "$@" "$TMP/ctx" 2>&1 ;;
    podman) podman build --format docker --signature-policy "$TMP/policy.json" --network none --layers=false "${PLATFORM[@]}" -t "localhost/$name" -f "$TMP/ctx/$name.Dockerfile" "$@" "$TMP/ctx" 2>&1 ;;
    esac
}

if [ -z "${STORAGE:-}" ]; then
    STORAGE=overlay
    podman info >/dev/null 2>&1 || { rm -rf "$TMP/storage"; STORAGE=vfs; }
fi
base=$(base_root arm64) || give_up "no base root"
mkdir "$TMP/ctx" && cp "$TESTS"/programs/docker/* "$TMP/ctx/" && sed -i 's|^FROM base|FROM localhost/base|' "$TMP"/ctx/*.Dockerfile
mkdir "$TMP/base" && printf 'FROM scratch\nADD rootfs.tar /\nENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nCMD ["/bin/sh"]\n' >"$TMP/base/Dockerfile"
tar -C "$base" --exclude=./dev/* --one-file-system -cf "$TMP/base/rootfs.tar" . || give_up "cannot pack the base"
out=$(buildah bud --format docker --signature-policy "$TMP/policy.json" "${PLATFORM[@]}" -t localhost/base "$TMP/base" 2>&1) || give_up "no base image: $out"
rm -rf "$TMP/base"
at_exit 'podman rm -fa >/dev/null 2>&1; podman rmi -fa >/dev/null 2>&1'

refused() {
    local tool out
    for tool in buildah podman; do
        if out=$(build $tool a); then fail "$1: $tool: the build fails"; else has "$1: $tool: exec format error" '[Ee]xec format error' "$out"; fi
    done
    out=$(run localhost/base /bin/true) && fail "$1: podman run fails" || has "$1: podman run: exec format error" '[Ee]xec format error' "$out"
}

builds() {
    local tool out
    for tool in buildah podman; do
        succeeds "$tool: (a) builds" build $tool a
        same "$tool: (a) the image's platform" linux/arm64 "$(podman image inspect --format '{{.Os}}/{{.Architecture}}' localhost/a)"
        succeeds "$tool: (b) builds" build $tool b
        succeeds "$tool: (c) builds" build $tool c
        out=$(build $tool d --build-arg WHO=me); [ $? = 0 ] && pass "$tool: (d) builds" || fail "$tool: (d) builds" "$(tail -n 12 <<<"$out")"
        has "$tool: (d) a script's output in the build" "aarch64 1234 hello there \['as', 'user'\]" "$out"
        runs $tool
    done
}

runs() {
    local out
    same "$1: (a) run cat /opt/ma" 1234 "$(run localhost/a cat /opt/ma)"
    out=$(run localhost/b)
    has "$1: (b) first line" '^Built as: linux/arm64$' "$out"; has "$1: (b) uname -a" '^Linux .* aarch64 ' "$out"; same "$1: (b) ls /app" file.txt "$(tail -n 1 <<<"$out")"
    same "$1: (c) the compiled program" "hello from aarch64, 1 arguments: x y" "$(run localhost/c 'x y')"
    same "$1: (d) a script as a user" "aarch64 1234 hello there ['at', 'run']" "$(run localhost/d)"
    run localhost/a sh -c 'exit 42' >/dev/null; same "$1: exit status" 42 $?
    run localhost/a /no/such >/dev/null; same "$1: missing program" 127 $?
}

# buildah from, run, copy, commit: a build without a Dockerfile.
by_hand() {
    local c
    c=$(buildah from --signature-policy "$TMP/policy.json" --pull-never "${PLATFORM[@]}" localhost/base) || { fail "buildah from"; return; }
    same "buildah run" "aarch64" "$(buildah run --network none "$c" -- sh -c 'uname -m; echo made >/made' 2>&1)"
    succeeds "buildah commit" buildah commit --signature-policy "$TMP/policy.json" "$c" localhost/hand
    same "its image runs" made "$(run localhost/hand cat /made)"
    buildah rm "$c" >/dev/null
}

[ -n "$(grep -l b700 "$BINFMT"/* 2>/dev/null)" ] && skip "before install" "the machine has an emulator registered" || refused "before install"
register || give_up "cannot register"
builds
by_hand
unregister
refused "after uninstall"
finish
