#!/bin/bash
# install, status, doctor and uninstall: as root and as a normal user in a user namespace of its own; beside other emulators; the file replaced or
# removed while registered; a setuid program; and nothing left behind.
set -u
. "$(dirname "$0")/lib.sh"
isolate "$@"
need "$CC_ARM64" "$CC_AMD64" timeout setpriv unshare
need_program
ours || give_up "tests run-foreign's own commands; EMULATOR makes no sense here"
make_tmp
USER_ID=54321
umask 022

# A place of our own for the program: it is replaced and removed below.
P=$TMP/run-foreign
cp "$RUN_FOREIGN" "$P"
rf() { timeout -k 5 20 "$P" "$@" </dev/null 2>&1; }
as_user() { ( cd "$TMP" && timeout -k 5 60 setpriv --reuid $USER_ID --regid $USER_ID --clear-groups "$@" </dev/null 2>&1 ); }

cat >"$TMP/id.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    printf("argv0 %s euid %d uid %d secure %ld arguments %d\n", argv[0], geteuid(), getuid(), getauxval(AT_SECURE), argc - 1);
    return 7;
}
C
"$CC_ARM64" -static -O1 -o "$TMP/id" "$TMP/id.c" && "$CC_AMD64" -static -O1 -o "$TMP/id.native" "$TMP/id.c" || give_up "cannot compile"
try() { local out; out=$(cd "$TMP" && timeout 20 bash -c 'exec ./id a b' 2>&1); echo "$out $?"; }
WORKS="argv0 ./id euid 0 uid 0 secure 0 arguments 2 7"
listed() { ls $BINFMT | grep -vxE 'register|status' | tr '\n' ' '; }
field() { cat $BINFMT/* 2>/dev/null | sed -n "s/^$1:* //p" | head -n 1; }
# Before and after the suite: everything that install could leave.
state() { listed; awk '{print $1, $2}' /proc/self/mounts; ls -R /usr/lib/binfmt.d /usr/libexec/run-foreign /etc/binfmt.d /run/binfmt.d /usr/share/binfmts /var/lib/binfmts 2>/dev/null; }
before=$(state)

# --- nothing registered ---
has "not registered: exec format error" 'Exec format error|cannot execute binary file' "$(try)"
out=$(rf status); same "status: exit status when nothing is registered" 0 $?
has "status says so" 'nothing is registered|not registered' "$out"
out=$(rf doctor); rc=$?; has "doctor says what to type" 'run-foreign install' "$out"; [ $rc != 0 ] && pass "doctor: status tells" || fail "doctor: status tells" "$out"
rf uninstall >/dev/null; same "uninstall of nothing is no error" 0 $?

# --- installed ---
succeeds "install" rf install
same "a program runs" "$WORKS" "$(try)"
for f in F O C; do has "flag $f" "$f" "$(field flags)"; done
same "the interpreter is this file" "$P" "$(field interpreter)"
has "status names the entry" "$P" "$(rf status)"
python3 -c 'import json, sys; json.load(sys.stdin)' <<<"$(rf status --json)" 2>/dev/null && pass "status --json is JSON" || fail "status --json is JSON" "$(rf status --json)"
out=$(rf doctor); rc=$?; same "doctor is content" 0 $rc; [ $rc = 0 ] || say "$out"
same "argv[0] is kept" "argv0 other name euid 0 uid 0 secure 0 arguments 1" "$(cd "$TMP" && bash -c 'exec -a "other name" ./id x')"
# Programs whose names and arguments look like ours.
for n in install uninstall status doctor --help -h run-foreign qemu-aarch64; do
    mkdir -p "$TMP/names"; cp "$TMP/id" "$TMP/names/$n"
    same "a program called $n" "argv0 $TMP/names/$n euid 0 uid 0 secure 0 arguments 2" "$("$TMP/names/$n" install --root 2>&1)"
done
same "argv[0] install" "argv0 install euid 0 uid 0 secure 0 arguments 1" "$(cd "$TMP" && bash -c 'exec -a install ./id x')"
succeeds "install again" rf install
same "one entry" 1 "$(listed | wc -w)"
mkdir "$TMP/empty" && cp "$TMP/id" "$TMP/empty/id"
same "flag F: in an empty chroot" "argv0 /id euid 0 uid 0 secure 0 arguments 0" "$(chroot "$TMP/empty" /id 2>&1)"

# --- the emulator's file ---
cat "$RUN_FOREIGN" 2>/dev/null >"$P" && fail "the registered file is busy" || pass "the registered file is busy"
cp "$RUN_FOREIGN" "$TMP/new" && mv "$TMP/new" "$P"
same "replaced: the old one still runs" "$WORKS" "$(try)"
out=$(rf doctor); say "        doctor: $(grep -iE 'replac|another|delet|old|again' <<<"$out" | head -n 2)"
succeeds "install after replacement" rf install
same "the new one runs" "$WORKS" "$(try)"
mv "$P" "$P.away"
same "moved away: still runs" "$WORKS" "$(try)"
mv "$P.away" "$P"

# --- setuid ---
cp "$TMP/id" "$TMP/suid" && cp "$TMP/id.native" "$TMP/suid.native" && chown 0:0 "$TMP"/suid* && chmod 4755 "$TMP"/suid*
want=$(as_user ./suid.native x | sed 's/suid.native/suid/')
has "natively setuid works here" "euid 0 uid $USER_ID secure 1" "$want"
same "flag C: a setuid program" "$want" "$(as_user ./suid x)"
same "its environment is not ours to read" "$want" "$(as_user env RUN_FOREIGN_STRACE=1 RUN_FOREIGN_DUMP=ir,asm RUN_FOREIGN_CPU=-aes LD_PRELOAD=/x ./suid x)"
same "without privileges to gain" "$(as_user setpriv --no-new-privs ./suid.native x | sed 's/suid.native/suid/')" "$(as_user setpriv --no-new-privs ./suid x)"
chmod 0711 "$TMP/id"; same "an unreadable program runs (flag O)" "argv0 ./id euid $USER_ID uid $USER_ID secure 0 arguments 1" "$(as_user ./id x)"; chmod 755 "$TMP/id"

# --- switched off, other emulators ---
echo 0 >$BINFMT/status
has "switched off: doctor says so" 'off|disabled|switched' "$(rf doctor)"
echo 1 >$BINFMT/status
entry=$(listed); echo 0 >"$BINFMT/${entry% }"
has "one entry disabled: doctor says so" 'disabled|off' "$(rf doctor)"
succeeds "install enables it" rf install
same "and it runs" "$WORKS" "$(try)"
register_other() { printf ':%s:M:0:%s:%s:%s:%s' "$1" "$MAGIC_ARM64" "$MASK_ARM64" "$2" "${3-F}" >$BINFMT/register; }
cp /bin/true "$TMP/qemu-aarch64-static"
register_other qemu-aarch64 "$TMP/qemu-aarch64-static" F
out=$(try)
has "another emulator first: doctor names it" 'qemu-aarch64' "$(rf doctor)"
has "status names both" 'qemu-aarch64' "$(rf status)"
succeeds "install again comes first" rf install
same "ours runs" "$WORKS" "$(try)"
has "the other one is left" 'qemu-aarch64' "$(listed)"
rf uninstall >/dev/null
same "uninstall leaves the other one alone" "qemu-aarch64 " "$(listed)"
succeeds "install --replace" rf install --replace
same "the other one has gone" "$WORKS $(listed | wc -w)" "$(try) 1"
rf uninstall >/dev/null
register_other qemu-aarch64 /no/such/interpreter '' 2>/dev/null
has "an interpreter that is missing: doctor names it" '/no/such/interpreter' "$(rf doctor)"
[ ! -e $BINFMT/qemu-aarch64 ] || echo -1 >$BINFMT/qemu-aarch64
succeeds "install under another name" rf install --name qemu-aarch64
same "its name" "qemu-aarch64 " "$(listed)"
succeeds "uninstall by a pattern" rf uninstall 'qemu-*'
same "nothing is registered" "" "$(listed)"
out=$(rf uninstall nosuch); [ $? != 0 ] && pass "uninstall of a name that isn't there" || fail "uninstall of a name that isn't there" "$out"
out=$(rf install sparc); [ $? != 0 ] && pass "install of an unknown architecture" || fail "install of an unknown architecture" "$out"

# --- at boot ---
mkdir -p "$TMP/b" "$TMP/l"
if mount -t tmpfs tmpfs /usr/libexec && { [ -d /usr/lib/binfmt.d ] || mkdir -p /usr/lib/binfmt.d; } && mount -t tmpfs tmpfs /usr/lib/binfmt.d; then
    succeeds "install --persist" rf install --persist
    same "a line for systemd-binfmt" 1 "$(cat /usr/lib/binfmt.d/*.conf | grep -c '^:.*:M:')"
    same "runs by the copy" "$WORKS" "$(rm "$P"; try)"; cp "$RUN_FOREIGN" "$P"
    # What systemd-binfmt does at boot: remove all, write the lines.
    echo -1 >$BINFMT/status; grep -h '^:' /usr/lib/binfmt.d/*.conf >$BINFMT/register
    same "the line registers" "$WORKS" "$(try)"
    succeeds "uninstall" rf uninstall
    same "no file is left" "" "$(find /usr/lib/binfmt.d /usr/libexec -mindepth 1)"
    umount /usr/lib/binfmt.d /usr/libexec
else
    skip "install --persist" "cannot mount over /usr/libexec"
fi
rf uninstall >/dev/null
same "nothing is left" "$before" "$(state)"

# --- who may not ---
out=$(as_user "$P" install); rc=$?
[ $rc != 0 ] && pass "a normal user's install fails" || fail "a normal user's install fails" "$out"
has "and says what to type" 'sudo|unshare' "$out"
same "in one line" 1 "$(wc -l <<<"$out")"
out=$(as_user "$P" status); same "a normal user's status" 0 $?
has "a normal user's doctor" 'sudo|root|unshare' "$(as_user "$P" doctor)"
out=$(unshare -m bash -c "umount -l $BINFMT; $P status" 2>&1); has "not mounted: status says so" 'not mounted' "$out"
out=$(unshare -m bash -c "umount -l $BINFMT; $P doctor" 2>&1); has "not mounted: doctor says so" 'not mounted|run-foreign install' "$out"
out=$(unshare -m bash -c "umount -l $BINFMT; $P install && cd $TMP && ./id a b; echo \$?; $P uninstall" 2>&1); has "not mounted: install mounts it" "^argv0 ./id" "$out"
cp "$RUN_FOREIGN" "$TMP/empty/run-foreign"; out=$(timeout 20 chroot "$TMP/empty" /run-foreign install 2>&1); has "no /proc: install says so" '/proc|mounted' "$out"
! grep -qaE "$CRASH" <<<"$out" && pass "no crash" || fail "no crash" "$out"

# --- a normal user's own ---
if as_user unshare -Urm true >/dev/null; then
    # Whether or not the machine has binfmt_misc mounted (here it has): that one is not the user's.
    out=$(as_user unshare -Urm bash -c "$P install >/dev/null && ./id a b; echo \$?; $P status; $P doctor >/dev/null; echo doctor \$?; $P uninstall >/dev/null; ./id; echo after \$?" 2>&1)
    has "unshare -Urm: runs" '^argv0 ./id euid 0 uid 0 secure 0 arguments 2$' "$out"
    has "unshare -Urm: status" "$P" "$out"
    has "unshare -Urm: doctor" '^doctor 0$' "$out"
    has "unshare -Urm: after uninstall" '^after 126$' "$out"
    same "nothing of it shows outside" "$before" "$(state)"
else
    skip "unshare -Urm" "user namespaces are refused here"
fi
finish
