#!/bin/bash
# BuildKit's two ways of finding and using an emulator, without BuildKit: its static check program chrooted into an otherwise empty folder, a
# thousand times; and the emulator bind-mounted as /dev/.buildkit_qemu_emulator with nothing registered.
set -u
. "$(dirname "$0")/lib.sh"
isolate "$@"
need "$CC_ARM64" "$CC_AMD64" timeout chroot
need_program
make_tmp
TIMES=${TIMES:-1000}
CHROOT=$(command -v chroot)

# The check program: no libc, one segment, exit(0).
printf '.globl _start\n_start: mov x0, #%d\n mov x8, #93\n svc #0\n' 0 >"$TMP/check.s"
printf '.globl _start\n_start: mov x0, #%d\n mov x8, #93\n svc #0\n' 65 >"$TMP/other.s"
mkdir -p "$TMP/check" "$TMP/other" "$TMP/proc/proc"
for p in check other; do
    "$CC_ARM64" -nostdlib -static -s -Wl,-N -Wl,--no-warn-rwx-segments -Wl,--build-id=none -o "$TMP/$p/check" "$TMP/$p.s" || give_up "cannot assemble"
done
cp "$TMP/check/check" "$TMP/proc/check"
# What BuildKit does: fork, chroot, exec; natively compiled so that a thousand rounds measure the emulator. Prints how often each outcome came.
cat >"$TMP/rounds.c" <<'C'
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static int count[65536];
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *const args[] = {"/check", NULL}, *const env[] = {NULL};
            if (chroot(argv[1]) || chdir("/"))
                _exit(99);
            execve("/check", args, env);
            _exit(errno == ENOEXEC ? 98 : 97);
        }
        int status;
        alarm(60);
        if (waitpid(pid, &status, 0) != pid)
            return 1;
        count[status & 65535]++;
    }
    for (int s = 0; s < 65536; s++)
        if (count[s])
            printf("%d × %s %d\n", count[s], WIFEXITED(s) ? "exit" : "signal", WIFEXITED(s) ? WEXITSTATUS(s) : WTERMSIG(s));
    return argc != 3;
}
C
"$CC_AMD64" -O1 -static -o "$TMP/rounds" "$TMP/rounds.c" || give_up "cannot compile"

same "without an emulator: ENOEXEC" "1 × exit 98" "$("$TMP/rounds" "$TMP/check" 1)"
register || give_up "cannot register"
start=$(date +%s%N)
same "empty chroot, $TIMES times" "$TIMES × exit 0" "$(timeout 600 "$TMP/rounds" "$TMP/check" "$TIMES" 2>&1)"
say "        ($((($(date +%s%N) - start) / TIMES / 1000)) µs each)"
same "the exit code is the program's" "20 × exit 65" "$(timeout 60 "$TMP/rounds" "$TMP/other" 20 2>&1)"
# As moby does for containers: an empty /proc, no /dev, no file descriptors, little memory.
same "an empty /proc folder" "20 × exit 0" "$(timeout 60 "$TMP/rounds" "$TMP/proc" 20 2>&1)"
same "standard streams closed" "0" "$(timeout 20 "$TMP/rounds" "$TMP/check" 20 <&- 2>&- | grep -vc ' exit 0$')"
same "four at once" "4" "$(for i in 1 2 3 4; do timeout 120 "$TMP/rounds" "$TMP/check" 100 & done | grep -cx '100 × exit 0'; wait)"
same "nobody, without rights" "0" "$(chroot --userspec=65534:65534 "$TMP/check" /check 2>&1; echo $?)"
same "limits: 64 processes, 16 files, 8 MB of stack" "0" "$( (ulimit -n 16; ulimit -s 8192; ulimit -c 0; chroot "$TMP/check" /check) 2>&1; echo $?)"
same "limits: unlimited stack" "0" "$( (ulimit -s unlimited; chroot "$TMP/check" /check) 2>&1; echo $?)"
unregister

# --- execve through the emulator itself ---
"$CC_ARM64" -O1 -w -pthread -static -o "$TMP/exec.arm64" "$TESTS/programs/exec.c" && "$CC_AMD64" -O1 -w -pthread -static -o "$TMP/exec.amd64" "$TESTS/programs/exec.c" ||
    give_up "cannot compile exec.c"

# exec_root DIR PROGRAM: a root with one static program under several names, /dev, /proc and /tmp.
exec_root() {
    mkdir -p "$1/bin" "$1/dev" "$1/proc" "$1/tmp" "$1/etc" && cp "$2" "$1/bin/prog" && chmod 755 "$1/bin/prog" && mount --rbind /proc "$1/proc" && : >"$1/dev/null"
    mount --bind /dev/null "$1/dev/null"
}
# No descriptor of this script's own is inherited: the programs list theirs.
in_env() {
    ( for fd in /proc/self/fd/*; do fd=${fd##*/}; [ "$fd" -lt 3 ] || [ "$fd" -gt 99 ] || eval "exec $fd>&-"; done
        exec timeout -k 5 120 env -i PATH=/bin A=1 "$@" </dev/null 2>"$TMP/stderr" )
    echo "status $?"
}

exec_root "$TMP/native" "$TMP/exec.amd64"; exec_root "$TMP/guest" "$TMP/exec.arm64"
: >"$TMP/guest/dev/.buildkit_qemu_emulator"
cp "$EMU" "$TMP/emulator" && chmod 555 "$TMP/emulator"
mount --bind "$TMP/emulator" "$TMP/guest/dev/.buildkit_qemu_emulator" && mount -o remount,bind,ro "$TMP/guest/dev/.buildkit_qemu_emulator"

# Without the kernel's help a program that may be executed but not read cannot be run: nobody could load it.
known() { if [ "$1" = "bind-mounted emulator" ]; then grep -vE '^/tmp/(unreadable|uscript):'; else cat; fi; }

# Each case by itself, so that one failure hides no other.
in_env "$CHROOT" "$TMP/native" /bin/prog list >"$TMP/cases"
cases=$(grep -v '^status' "$TMP/cases")
[ -n "$cases" ] || give_up "no cases: $(cat "$TMP/cases" "$TMP/stderr")"
compare() { # LABEL COMMAND… (the case's name is appended)
    local label=$1 c want got; shift
    for c in $cases; do
        rm -rf "$TMP"/native/tmp/* "$TMP"/guest/tmp/*
        want=$(in_env "$CHROOT" "$TMP/native" /bin/prog "$c" | known "$label")
        got=$(in_env "$@" "$c" | known "$label")
        if [ "$want" = "$got" ]; then pass "$label: $c"; else fail "$label: $c" "$(diff <(echo "$want") <(echo "$got"); head -n 5 "$TMP/stderr" | sed 's/^/stderr: /')"; fi
    done
}
compare "bind-mounted emulator" "$CHROOT" "$TMP/guest" /dev/.buildkit_qemu_emulator /bin/prog
# Program names as BuildKit passes them on: relative, or to be found in PATH.
for name in prog bin/prog ./bin/prog; do
    same "emulator with the program name $name" "argv [$name] [show] [x] exe /bin/prog comm prog" \
        "$(in_env "$CHROOT" "$TMP/guest" /dev/.buildkit_qemu_emulator $name show x | sed -n 's/ execfn .* exe / exe /; s/ cmdline.*//; /^argv/p')"
done
# By the command, where there is no /proc to find oneself by.
if ours; then
    for r in native guest; do mkdir -p "$TMP/bare.$r/bin" "$TMP/bare.$r/tmp" && cp "$TMP/$r/bin/prog" "$TMP/bare.$r/bin/"; done
    cp "$EMU" "$TMP/bare.guest/bin/run-foreign"
    same "no /proc: a guest's execve" "$(in_env "$CHROOT" "$TMP/bare.native" /bin/prog plain)" "$(in_env "$CHROOT" "$TMP/bare.guest" /bin/run-foreign /bin/prog plain)"
fi
register || give_up "cannot register"
compare "binfmt_misc" "$CHROOT" "$TMP/guest" /bin/prog
unregister
finish
