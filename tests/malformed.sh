#!/bin/bash
# Bad programs: the kernel's answer to the same defect in a native program is what is expected, in three ways of starting it:
#   guest     by an arm64 program's execve, with and without binfmt_misc: the same errno, before the old program is gone
#   binfmt    by a native program's execve through binfmt_misc: where the kernel would refuse, status 126 or 127 and one line with its message
#   command   by `run-foreign PROGRAM`: likewise
# and never a crash or a panic of ours.
set -u
. "$(dirname "$0")/lib.sh"
isolate "$@"
need "$CC_ARM64" "$CC_AMD64" timeout python3 setpriv
need_program
make_tmp
CHROOT=$(command -v chroot)
ulimit -c 0

for a in amd64 arm64; do
    mkdir "$TMP/$a" && python3 "$TESTS/programs/malformed.py" $a "$TMP/$a" >"$TMP/names" || give_up "cannot make the programs"
done
"$CC_AMD64" -O1 -static -o "$TMP/amd64/tryexec" "$TESTS/programs/tryexec.c" && "$CC_ARM64" -O1 -static -o "$TMP/arm64/tryexec" "$TESTS/programs/tryexec.c" || give_up "cannot compile"
cp "$TMP/amd64/tryexec" "$TMP/arm64/tryexec.native"; cp "$EMU" "$TMP/arm64/run-foreign"
for a in amd64 arm64; do mkdir "$TMP/$a/proc" && mount --rbind /proc "$TMP/$a/proc" || give_up "cannot mount"; done
mapfile -t NAMES <"$TMP/names"
# A normal user, so that permissions count; memory is limited so that a huge bss fails alike everywhere.
at() { local root=$1; shift; ( cd "$TMP/$root" && exec timeout -k 5 "${LIMIT:-600}" setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all --bounding-set=-all \
    "$TMP/enter" "$TMP/$root" "$@" </dev/null ); }
cat >"$TMP/enter.c" <<'C'
#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>
#include <fcntl.h>
#include <stdio.h>
// A root of one's own without privileges: a user namespace, then chroot.
int main(int c, char **v)
{
    char *const env[] = {"A=1", NULL};
    if (unshare(CLONE_NEWUSER))
        return perror("unshare"), 99;
    if (chroot(v[1]) || chdir("/"))
        return perror(v[1]), 99;
    execve(v[2], v + 2, env);
    return perror(v[2]), c == 0 ? 0 : 99;
}
C
"$CC_AMD64" -O1 -static -o "$TMP/enter" "$TMP/enter.c" || give_up "cannot compile"

at amd64 /tryexec "${NAMES[@]/#//}" >"$TMP/native" 2>"$TMP/native.err" || give_up "natively: $(cat "$TMP/native.err")"
same "natively: a sound program" "/sound: exit 7" "$(head -n 1 "$TMP/native")"

# Ask the whole list at once; a program that hangs is ended by its own alarm.
if ours; then at arm64 /run-foreign /tryexec "${NAMES[@]/#//}" >"$TMP/guest" 2>"$TMP/guest.err"; fi
register || give_up "cannot register"
at arm64 /tryexec "${NAMES[@]/#//}" >"$TMP/registered" 2>"$TMP/registered.err"
at arm64 /tryexec.native "${NAMES[@]/#//}" >"$TMP/binfmt" 2>"$TMP/binfmt.err"

# The kernel looks at four bytes of e_ident only; the magic for binfmt_misc, and we, may look at the class and byte order, too.
unsound_ident() { case $1 in /ident-[456]-* | /ident-15-*) [ "$2" = "126 Exec format error" ] ;; *) false ;; esac; }

# Without the kernel's help nobody can load a program that may not be read.
unreadable() { [ "$1" = guest ] && [ "$2" = /no-read: ] && [ "$3" = "126 Permission denied" ]; }

# 1. The guest's execve.
guest() { # LABEL FILE
    local name want got
    while read -r name want; do
        got=$(grep -F -- "$name " "$2" | head -n 1); got=${got#* }
        # What kills a native program on its way in (SIGKILL, SIGSEGV) may also be refused by us.
        case $want in "signal "*) case $got in "signal "* | "126 "* | "exit 126") got=$want ;; esac ;; esac
        if [ "$want" = "$got" ] || unsound_ident "${name%:}" "$got" || unreadable "$1" "$name" "$got"; then pass "$1: ${name%:}"; else fail "$1: ${name%:}" "natively $want; ours $got"; fi
    done <"$TMP/native"
    ! grep -qaE "$CRASH" "${2}.err" && pass "$1: no crash" || fail "$1: no crash" "$(grep -aE "$CRASH" "$2.err")"
}
if ours; then guest guest "$TMP/guest"; fi
guest "guest, with binfmt_misc" "$TMP/registered"

# one_line LABEL WANT STATUS STDERR: the kernel's answer WANT ("126 Permission denied", "exit 7", "signal 11") as a status and one line.
one_line() {
    local label=$1 want=$2 rc=$3 text=$4 code
    if grep -qaE "$CRASH" <<<"$text"; then fail "$label" "a crash of ours: $text"; return; fi
    case $want in
    "exit "*) [ "$rc" = "${want#exit }" ] && pass "$label" || fail "$label" "natively $want; ours $rc $text" ;;
    "signal "*)
        code=$((128 + ${want#signal }))
        # Zeros and the ELF header are other instructions there than here.
        case $label in *": /e_entry-400000" | *": /text-filesz-0") code=132 ;; esac
        if [ "$rc" = $code ] || { [ "$rc" = 126 ] && [ -n "$text" ]; }; then pass "$label"; else fail "$label" "natively $want; ours $rc $text"; fi ;;
    *)
        if [ "$rc" != "${want%% *}" ]; then fail "$label" "natively $want; ours status $rc, $text"
        elif ! grep -qF -- "${want#* }" <<<"$text"; then fail "$label" "no message \"${want#* }\": $text"
        elif [ "$(wc -l <<<"$text")" != 1 ]; then fail "$label" "more than one line: $text"
        else pass "$label"; fi ;;
    esac
}

# 2. binfmt_misc: what the kernel refuses by itself is an errno here too.
while read -r name want; do
    got=$(grep -F -- "$name " "$TMP/binfmt" | head -n 1); got=${got#* }
    if [ "$got" = "$want" ] || unsound_ident "${name%:}" "$got"; then pass "binfmt: ${name%:}"; continue; fi
    text=$(at arm64 "${name%:}" argument 2>&1 >/dev/null); rc=$?
    one_line "binfmt: ${name%:}" "$want" $rc "$text"
done <"$TMP/native"
unregister

# 3. The command.
while read -r name want; do
    [ "$name" != /no-read: ] || want="126 Permission denied"
    text=$(at arm64 /run-foreign "${name%:}" argument 2>&1 >/dev/null); rc=$?
    ! unsound_ident "${name%:}" "$rc Exec format error" || want="126 Exec format error"
    one_line "command: ${name%:}" "$want" $rc "$text"
done <"$TMP/native"
finish
