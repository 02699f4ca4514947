#!/bin/bash
# When a guest dies: what the report says, where it goes, and that nothing else changes: the exit status is that of another emulator, and
# what a program's parent captures of its stderr is empty. Then core files, read by gdb where it is there.
set -u
. "$(dirname "$0")/lib.sh"
QEMU=${QEMU:-qemu-aarch64-static}
need "$CC_ARM64" "$QEMU" timeout python3
need_program
ours || { say "report: only run-foreign reports"; finish; }
make_tmp
cd "$TMP" || exit 1
"$CC_ARM64" -O1 -g -w -pthread -static -o crash "$TESTS/programs/crash.c" &&
    "$CC_AMD64" -O1 -g -w -pthread -static-pie -o crash-amd64 "$TESTS/programs/crash.c" || give_up "cannot compile"
unset RUN_FOREIGN_REPORT
ulimit -S -c 0

# die HOW...: run the case under us, with the report in a file. (A program of the host's own kind is translated where RUN_FOREIGN_TEST says so.)
PROGRAM=./crash REFERENCE=("$QEMU")
die() { rm -f report; timeout -k 2 20 "$RUN_FOREIGN" --report="$TMP/report" "$PROGRAM" "$@" >out 2>err </dev/null; echo $?; }

# case HOW PATTERN...: every pattern occurs in the report; the rest is as it has to be.
case_() {
    local how=$1 status pattern missing= lines label=${PROGRAM#./crash}; shift
    label=${label:+${label#-}: }
    status=$(die "$how")
    timeout -k 2 20 "${REFERENCE[@]}" "$PROGRAM" "$how" >/dev/null 2>&1 </dev/null
    same "$label$how: status" $? "$status"
    for pattern; do grep -qE -- "$pattern" report || missing+="no /$pattern/; "; done
    lines=$(wc -l <report)
    [ "$lines" -le 60 ] || missing+="$lines lines; "
    [ ! -s err ] || missing+="stderr: $(head -n 2 err); "
    ! grep -qE "$CRASH" report err || missing+="a crash of ours; "
    if [ -z "$missing" ]; then pass "$label$how"; else fail "$label$how" "$missing
$(cat report)"; fi
} 2>/dev/null

SEGV="crash \(pid [0-9]+\) was killed by SIGSEGV: "
case_ write "${SEGV}write to 0x10, where nothing is mapped \(SEGV_MAPERR\)" 'arguments: ./crash write' 'pc 0x[0-9a-f]+ in .* r-x .*crash' '> 0x.*str.*w1, \[x0\]' \
    'x0 0000000000000010' '#0  0x[0-9a-f]+ write_null\+' '#1 .* main\+' '_start\+'
case_ read "${SEGV}read of 0x20, where nothing" '#0 .*read_null' '#1 .* main\+'
case_ leaf '#0 .* leaf_store\+0x4' '#1 .* main\+'
case_ jump "${SEGV}jump to 0x123450, where nothing" '#0  0x123450 not mapped' '#1 .* jump_unmapped\+' '#2 .* main\+'
case_ udf 'SIGILL: undefined instruction \(ILL_ILLOPC\)' '> 0x.*udf' '#0 .* undefined\+0x0'
case_ trap 'SIGTRAP: breakpoint instruction' '> 0x.*brk' '#0 .* trap\+0x0'
case_ misaligned 'SIGBUS: read of 0x[0-9a-f]+1, which is not aligned \(BUS_ADRALN\)' '> 0x.*ldaxp'
case_ readonly "${SEGV}write to 0x[0-9a-f]+000, which is not allowed there \(SEGV_ACCERR\)" 'address 0x[0-9a-f]+000 in .* r--'
case_ vector '> 0x.*st1' 'v0 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a'
case_ overflow "${SEGV}write to 0x[0-9a-f]+, where nothing" '#0 .* deep\+' '#15 .* deep\+' 'and so on'
case_ abort 'SIGABRT: raised by the program itself' '#[0-9]+ .* abort\+' '#[0-9]+ .* main\+'
case_ raise 'SIGSEGV: raised by the program itself' '#[0-9]+ .* main\+'
case_ smashed "${SEGV}write to 0x8" '#0 .* smashed\+'
case_ circle "${SEGV}jump to 0x4444440"
case_ handler '#0 .* write_null\+' '#[12] .*\(return from a signal handler\)' '#[0-9]+ .* main\+'
case_ thread "crash \(pid [0-9]+, thread [0-9]+\) was killed by SIGSEGV: write to 0x10" '#0 .* write_null\+' '#[12] .* start_thread\+'

# The same of an amd64 guest; its statuses are the kernel's.
amd64_cases() {
    local PROGRAM=./crash-amd64 REFERENCE=(env) SEGV="crash-amd64 \(pid [0-9]+\) was killed by SIGSEGV: "
    export RUN_FOREIGN_TEST=native
    case_ write "${SEGV}write to 0x10, where nothing is mapped \(SEGV_MAPERR\)" 'pc 0x[0-9a-f]+ in .* r-x .*crash' '> 0x.*: c7 00 01 00 00 00 +mov dword ptr \[rax\], 1' \
        'rax 0000000000000010' 'flags [0-9a-f]+ \[.*\] fs ' '#0  0x[0-9a-f]+ write_null\+' '#1 .* main\+' '_start\+'
    case_ read "${SEGV}read of 0x20, where nothing" '#0 .*read_null' '#1 .* main\+'
    case_ leaf '#0 .* leaf_store\+0x0' '#1 .* main\+'
    case_ jump "${SEGV}jump to 0x123450, where nothing" '#0  0x123450 not mapped' '#1 .* jump_unmapped\+' '#2 .* main\+'
    case_ udf 'SIGILL: undefined instruction \(ILL_ILLOPN\)' '> 0x.*ud2' '#0 .* undefined\+0x0'
    case_ trap 'SIGTRAP: breakpoint instruction' '  0x.*int3' '#0 .* trap\+0x1'
    case_ misaligned 'SIGSEGV: general protection: ' '> 0x.*movaps' 'ymm0 '
    case_ readonly "${SEGV}write to 0x[0-9a-f]+000, which is not allowed there \(SEGV_ACCERR\)" 'address 0x[0-9a-f]+000 in .* r--'
    case_ vector '> 0x.*movdqu' 'ymm0 0{32} 5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a'
    case_ overflow "${SEGV}write to 0x[0-9a-f]+, where nothing" '#0 .* deep\+' '#15 .* deep\+' 'and so on'
    case_ abort 'SIGABRT: raised by the program itself' '#[0-9]+ .* abort\+' '#[0-9]+ .* main\+'
    case_ smashed "${SEGV}write to 0x8" '#0 .* smashed\+'
    case_ circle "${SEGV}jump to 0x4444440"
    case_ handler '#0 .* write_null\+' '#[12] .*\(return from a signal handler\)' '#[0-9]+ .* main\+'
    case_ thread "crash-amd64 \(pid [0-9]+, thread [0-9]+\) was killed by SIGSEGV: write to 0x10" '#0 .* write_null\+' '#[1-3] .* start_thread\+'
    unset RUN_FOREIGN_TEST
}
amd64_cases

# Everything that isn't loaded is broken; and the program's file is another by now.
python3 - <<'P' || give_up "cannot break the program"
import struct
data = bytearray(open("crash", "rb").read())
phoff, phnum = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
end = max(offset + size for kind, _, offset, _, _, size in (struct.unpack_from("<IIQQQQ", data, phoff + i * 56) for i in range(phnum)) if kind == 1)
open("broken", "wb").write(data[:end] + b"\xff" * (len(data) - end))
P
chmod +x broken; cp crash victim
for run in "./broken write" "./victim replaced broken"; do
    # shellcheck disable=SC2086
    rm -f report; ( timeout -k 2 20 "$RUN_FOREIGN" --report="$TMP/report" $run; exit $? ) >/dev/null 2>&1; rc=$?
    same "a broken file ($run): status" 139 $rc
    has "a broken file ($run): no names, but places" '#0  0x[0-9a-f]+ \(/.*\+0x[0-9a-f]+\)' "$(cat report)"
done

# Without /proc, without anything.
namespaces() { [ "$(id -u)" = 0 ] || unshare -Ur true 2>/dev/null; }
if namespaces; then
    mkdir -p root && cp crash root/ && rm -f root/report
    ( timeout -k 2 20 "$RUN_FOREIGN" --root "$TMP/root" --report=/report /crash write; exit $? ) >/dev/null 2>err; rc=$?
    same "an empty root: status" 139 $rc
    has "an empty root: names all the same" '#0 .* write_null\+.*\(/crash\+' "$(cat root/report 2>&1)"
else
    skip "an empty root" "namespaces are refused"
fi

# Where it goes by itself.
auto() { timeout -k 2 20 "$RUN_FOREIGN" "$@" </dev/null; }
has "stderr that nobody redirected" 'killed by SIGSEGV' "$(auto ./crash write 2>&1 >/dev/null)"
has "a child's, too" 'killed by SIGSEGV' "$(auto ./crash child 2>&1 >/dev/null)"
same "what a parent captures is the program's" "captured 0" "$(auto ./crash captured 2>/dev/null)"
has "a terminal" 'killed by SIGSEGV' "$(timeout 20 python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$RUN_FOREIGN" ./crash write </dev/null 2>&1)"
# Started by the kernel or by name, nobody said what stderr was at first: it is that of the container's first process.
ln -s "$RUN_FOREIGN" qemu-aarch64
contained() { timeout 20 unshare ${ROOTLESS:+-Ur} -pf --kill-child --mount-proc bash -c "$1" 2>&1; }
[ "$(id -u)" = 0 ] || ROOTLESS=1
if namespaces && contained true; then
    has "a container's log" 'killed by SIGSEGV' "$(contained './qemu-aarch64 ./crash write; true')"
    same "what is captured in a container" "0" "$(contained './qemu-aarch64 ./crash write 2>captured; wc -c <captured' | tail -n 1)"
else
    skip "a container's log" "namespaces are refused"
fi
same "a signal that was sent: one line" 1 "$(auto ./crash abort 2>&1 >/dev/null | grep -c SIGABRT)"
same "and no more" "" "$(auto ./crash abort 2>&1 >/dev/null | grep '^  ')"
same "--report=off" "" "$(auto --report=off ./crash write 2>&1)"
same "RUN_FOREIGN_REPORT=off" "" "$(RUN_FOREIGN_REPORT=off auto ./crash write 2>&1)"
has "--report=stderr goes into pipes, too" 'captured [1-9]' "$(auto --report=stderr ./crash captured 2>/dev/null)"
same "a process that is not dumpable" "" "$(auto --report=stderr ./crash private 2>&1)"
same "SIGTERM is nobody's fault" "" "$(auto --report=stderr ./crash term 2>&1)"

# A full pipe whose reader sleeps: the process ends all the same.
cat >full.py <<'P'
import os, subprocess, sys
r, w = os.pipe()
os.set_blocking(w, False)
try:
    while True: os.write(w, b"x" * 4096)
except BlockingIOError: pass
os.set_blocking(w, True)
print(subprocess.run(sys.argv[1:], stderr=w, timeout=15).returncode)
P
same "a pipe that nobody reads holds nothing up" -11 "$(timeout 20 python3 full.py "$RUN_FOREIGN" --report=stderr ./crash write)"

# Core files. The kernel's pattern is the machine's; where it names a program there are none.
pattern=$(cat /proc/sys/kernel/core_pattern 2>/dev/null)
cat >wait.py <<'P'
import os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_CORE, (int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_CORE)[1]))
child = subprocess.Popen(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
status = os.waitpid(child.pid, 0)[1]
print(os.WTERMSIG(status), os.WCOREDUMP(status))
P
# dumped LIMIT HOW: signal, whether the status speaks of a core, and how many there are.
dumped() { rm -rf cores; mkdir cores; ( cd cores && timeout -k 2 30 python3 ../wait.py "$1" "$RUN_FOREIGN" --report=off ../"$PROGRAM" "$2" </dev/null; ls | wc -l ) | paste -sd ' '; }
ulimit -S -c "$(ulimit -H -c)" 2>/dev/null
case $pattern in
'' | '|'* | @* | */* | *%*) skip "core files" "core_pattern is '$pattern', not the name of a file in the working directory" ;;
*) if [ "$(ulimit -H -c)" != unlimited ]; then skip "core files" "the hard limit on core files is $(ulimit -H -c)"; else
    same "no core by a limit of 0" "11 False 0" "$(dumped 0 write)"
    same "no core of a process that is not dumpable" "11 False 0" "$(dumped -1 private)"
    same "no core for SIGTERM" "15 False 0" "$(dumped -1 term)"
    same "a core for SIGQUIT" "3 True 1" "$(dumped -1 quit)"
    same "a limit cuts it" "11 True 1" "$(dumped 65536 write)"
    [ "$(stat -c %s cores/*)" -le 65536 ] && pass "to its size" || fail "to its size" "$(ls -l cores)"
    same "a core with memory" "11 True 1" "$(dumped -1 secret)"
    same "MADV_DONTDUMP" "seen 1, kept away 0" "seen $(grep -c run-this-is-seen cores/*), kept away $(grep -c run-this-is-kept-away cores/*)"
    same "a core of threads" "11 True 1" "$(dumped -1 thread)"
    leftovers=$(ls -d /dev/shm/run-foreign-core.* /tmp/run-foreign-core.* cores/run-foreign-core.* 2>/dev/null)
    for _ in 1 2 3 4 5; do [ -z "$leftovers" ] || { sleep 0.2; leftovers=$(ls -d /dev/shm/run-foreign-core.* /tmp/run-foreign-core.* 2>/dev/null); }; done
    same "nothing else is left" "" "$leftovers"
    notes=$(readelf -n cores/* 2>&1)
    for n in NT_PRSTATUS NT_PRPSINFO NT_SIGINFO NT_AUXV NT_FILE NT_FPREGSET; do has "the core has $n" "$n" "$notes"; done
    same "a thread, a note" 4 "$(grep -c NT_PRSTATUS <<<"$notes")"
    if command -v gdb-multiarch >/dev/null; then
        text=$(timeout 60 gdb-multiarch -nx -batch -ex 'set pagination off' -ex "core $(echo cores/*)" -ex 'bt' -ex 'info threads' -ex 'print $_siginfo.si_signo' -ex 'thread apply all bt 3' crash 2>&1)
        has "gdb: who died" '#0 .* write_null \(\)' "$text"
        has "gdb: its caller" '#1 .* thread \(arg' "$text"
        has "gdb: the others" 'spin \(arg' "$text"
        has "gdb: the signal" '^\$1 = 11' "$text"
        PROGRAM=crash-amd64
        same "amd64: a core of threads" "11 True 1" "$(RUN_FOREIGN_TEST=native dumped -1 thread)"
        text=$(timeout 60 gdb-multiarch -nx -batch -ex 'set pagination off' -ex "core $(echo cores/*)" -ex 'bt' -ex 'thread apply all bt 3' -ex 'print $_siginfo.si_signo' -ex 'info registers rax mxcsr fctrl' \
            -ex 'print/x $ymm0.v8_int32[7]' crash-amd64 2>&1)
        for pattern in '#0 .* write_null \(\)' '#1 .* thread \(arg' 'spin \(arg' '^\$1 = 11' '^rax +0x10 ' '^mxcsr +0x1f80 ' '^fctrl +0x37f ' '^\$2 = 0x'; do has "amd64: gdb on the core: $pattern" "$pattern" "$text"; done
    else
        skip "gdb reads it" "no gdb-multiarch"
    fi
fi ;;
esac
finish
