# Shared by the scripts of this folder; sourced, not run.

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need COMMAND=PACKAGE...: install with apt what is missing, or say what to type. A PATH in place of COMMAND must exist.
need() {
    local pair missing=()
    for pair in "$@"; do
        case ${pair%%=*} in
        /*) [ -e "${pair%%=*}" ] || missing+=("${pair#*=}") ;;
        *) command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}") ;;
        esac
    done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || die "please install: ${missing[*]}"
    [ "$(id -u)" -eq 0 ] || die "type first: sudo apt-get install ${missing[*]}"
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

# need_rust [COMPONENT...]: the toolchain may have been installed after the shell was started, and without rustfmt or clippy.
need_rust() {
    command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
    command -v cargo >/dev/null || die "cargo is missing: install Rust with rustup first"
    local component command
    for component in "$@"; do
        command=${component/rustfmt/fmt}
        if ! cargo "$command" --version >/dev/null 2>&1; then
            command -v rustup >/dev/null || die "cargo $command is missing: install Rust's component $component"
            rustup component add "$component"
        fi
    done
}

# need_target TARGET: Rust's standard library for it, and what compiles C for it. Fails if there is none to be had.
need_target() {
    case $1 in *-musl) need musl-gcc=musl-tools ;; esac
    [ -d "$(rustc --print sysroot)/lib/rustlib/$1/lib" ] && return
    command -v rustup >/dev/null && rustup target add "$1" 2>&1
}

# What is built for this machine: on amd64 with musl, whose programs start faster, or as well with glibc.
need_own_target() {
    export CARGO_BUILD_TARGET=$(uname -m)-unknown-linux-gnu
    [ "$(uname -m)" = x86_64 ] || return 0
    if need_target x86_64-unknown-linux-musl; then
        CARGO_BUILD_TARGET=x86_64-unknown-linux-musl
    else
        say "Rust's standard library for x86_64-unknown-linux-musl is not to be had (rustup target add): with glibc, then"
    fi
}

# build [cargo's arguments]: build the program and print its path.
build() {
    cargo build --message-format=json-render-diagnostics --bin run-foreign "$@" |
        sed -n 's/.*"executable":"\([^"]*\/run-foreign\)".*/\1/p' | tail -n 1
}

# The architecture of this machine's foreign programs, as Debian and as uname have it.
case $(uname -m) in
aarch64) FOREIGN=amd64 FOREIGN_MACHINE=x86_64 ;;
*) FOREIGN=arm64 FOREIGN_MACHINE=aarch64 ;;
esac

# foreign_root DIR: a small Debian of that architecture, unpacked and not configured, so that no emulator is needed. Made once.
# MIRROR, SUITE and KEYRING override what apt is configured with.
foreign_root() {
    local dir=$1 suite=${SUITE:-trixie} mirror=${MIRROR:-} options=()
    [ -e "$dir.done" ] && return
    if [ -z "$mirror" ]; then
        mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
    fi
    [ -n "$mirror" ] || die "apt knows no Debian mirror here: set MIRROR to one"
    local keyring=${KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
    [ -e "$keyring" ] && options+=("--keyring=$keyring")
    # Old releases of the keyring package hold newer keys in files of their own.
    [ -e "/usr/share/keyrings/debian-archive-$suite-stable.gpg" ] && options+=("--keyring=/usr/share/keyrings")
    # Nothing in it is run, so that no other user's ids and no namespaces are needed either.
    [ "$(id -u)" -eq 0 ] || options+=(--mode=chrootless)
    rm -rf "$dir"
    mkdir -p "${dir%/*}"
    # By way of an archive: of a folder, mmdebstrap asks that root can reach it.
    mmdebstrap --quiet --arch=$FOREIGN --variant=extract "${options[@]}" --include='?essential' "$suite" "$dir.tar" "$mirror"
    mkdir "$dir"
    tar -xpf "$dir.tar" -C "$dir" --exclude='./dev/*'
    rm "$dir.tar"
    # What the maintainer scripts would have done, as far as these few commands need it.
    mkdir -p "$dir"/{proc,sys,dev,tmp,root}
    cp "$dir/usr/share/base-passwd/passwd.master" "$dir/etc/passwd"
    cp "$dir/usr/share/base-passwd/group.master" "$dir/etc/group"
    [ -e "$dir/usr/bin/awk" ] || ln -s mawk "$dir/usr/bin/awk"
    if [ "$(id -u)" -eq 0 ]; then
        # Not everywhere may even root make devices.
        mknod -m 666 "$dir/dev/null" c 1 3 && mknod -m 666 "$dir/dev/zero" c 1 5 && mknod -m 444 "$dir/dev/urandom" c 1 9 || :
    fi
    touch "$dir.done"
}
