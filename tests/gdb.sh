#!/bin/bash
# gdb's view of a guest: gdb-multiarch runs a script against `run-foreign --gdb`; what it says is looked at, and what the program printed.
set -u
. "$(dirname "$0")/lib.sh"
need "$CC_ARM64" timeout
need_program
ours || { say "gdb: only for run-foreign"; finish; }
command -v gdb-multiarch >/dev/null || { skip "all" "no gdb-multiarch"; finish; }
make_tmp
cd "$TMP" || exit 1
# timeout(1) has something to say about cores.
ulimit -S -c 0
"$CC_ARM64" -O1 -g -w -pthread -static -o debuggee "$TESTS/programs/debuggee.c" &&
    "$CC_AMD64" -O1 -g -w -pthread -static-pie -o debuggee-amd64 "$TESTS/programs/debuggee.c" || give_up "cannot compile"
DEBUGGEE=./debuggee

# session NAME [ARG...]: the commands on stdin, after the connection. Leaves gdb's words in $SAID, the program's in $OUT and its status in $STATUS.
session() {
    local name=$1 i; shift
    rm -f sock
    { echo "set pagination off"; echo "set confirm off"; echo "set style enabled off"; echo "target remote $TMP/sock"; cat; } >"$name.gdb"
    { timeout -k 2 60 "$RUN_FOREIGN" --report=off --gdb "unix:$TMP/sock" "$DEBUGGEE" "$@" >"$name.out" 2>"$name.err" < <(exec sleep 60); echo $? >"$name.status"; } 2>/dev/null &
    local guest=$!
    for ((i = 0; i < 100; i++)); do [ -S sock ] && break; sleep 0.05; done
    SAID=$(timeout -k 2 50 gdb-multiarch -nx -batch -x "$name.gdb" 2>&1)
    wait $guest
    OUT=$(cat "$name.out"); STATUS=$(cat "$name.status")
    [ ! -s "$name.err" ] || [ "$(grep -cv 'waiting for gdb' "$name.err")" = 0 ] || fail "$name: nothing on stderr" "$(cat "$name.err")"
}

session basic <<'G'
handle SIGUSR1 nostop noprint pass
break leaf
continue
backtrace
print/x *(int *)$pc
finish
set var answer = 9
delete
break half
continue
set var $d0 = 5.0
print $v1.q.u[0]
stepi
x/i $pc
info auxv
info registers fpcr
delete
continue
G
has "the program comes from the target" 'Reading symbols from target:/.*/debuggee' "$SAID"
has "a breakpoint" 'Breakpoint 1, leaf \(a=6\)' "$SAID"
has "a backtrace" '#2 .* in main \(argc=' "$SAID"
has "memory is as it was" '^\$[0-9]+ = 0x[0-9a-f]+$' "$SAID"
! grep -q 'd43e0000' <<<"$SAID" && pass "no breakpoint shows in it" || fail "no breakpoint shows in it" "$SAID"
has "finish" 'Value returned is \$[0-9]+ = 42' "$SAID"
has "a vector register" 'Breakpoint 2, half \(d=1.5\)' "$SAID"
has "stepi" '=> 0x[0-9a-f]+ <half\+4>' "$SAID"
has "auxv" 'AT_PHDR .* 0x400040' "$SAID"
has "FPCR" 'fpcr +0x0' "$SAID"
has "the exit status" 'exited with code 052' "$SAID"
same "the program's" 42 "$STATUS"
same "what it printed" $'answer 42\nhalf 2.5\nsignals 10\nwatched 2' "$OUT"

session watch <<'G'
watch watched
continue
continue
handle SIGUSR1 stop print pass
continue
backtrace 3
handle SIGUSR1 nostop noprint nopass
delete
continue
G
has "a watchpoint" 'Old value = 0' "$SAID"
has "its next value" 'Old value = 1' "$SAID"
has "a signal is shown" 'Program received signal SIGUSR1' "$SAID"
has "and withheld" 'signals 0' "$OUT"

session threads <<'G'
handle SIGUSR1 nostop noprint pass
break work
continue
info threads
thread apply all backtrace 2
continue
info threads
print middle(3)
set scheduler-locking on
stepi
stepi
print $pc == (long)thread || 1
set scheduler-locking off
delete
thread 1
continue
G
has "a thread's breakpoint" 'Thread 2 hit Breakpoint 1, work \(n=(n@entry=)?1\)' "$SAID"
has "another's" 'Thread 3 hit Breakpoint 1, work \(n=(n@entry=)?2\)' "$SAID"
has "the list" '^ +3 +Thread .* work \(n=(n@entry=)?2\)|^\* 3 +Thread .* work \(n=(n@entry=)?2\)' "$SAID"
has "who waits in the kernel" '^ +1 +Thread .*\(debuggee\)' "$SAID"
has "a call of a function" '\$[0-9]+ = 21' "$SAID"
has "the others' signals" 'signals 10' "$OUT"
same "threads: status" 42 "$STATUS"

session exec exec <<'G'
handle SIGUSR1 nostop noprint pass
break main
continue
print argv[1]
continue
print argv[1]
delete
continue
G
has "the program executes another" 'is executing new program: .*/debuggee' "$SAID"
has "which is debugged" '\$2 = 0x[0-9a-f]+ "again"' "$SAID"
same "exec: status" 42 "$STATUS"

session fork fork <<'G'
handle SIGUSR1 nostop noprint pass
break middle
continue
print a
delete
continue
G
has "a child runs free" '^child 7$' "$OUT"
has "its parent does not" '^\$1 = 6' "$SAID"

session crash crash <<'G'
continue
print $_exitcode
backtrace
continue
G
has "a fault is shown" 'Program received signal SIGSEGV' "$SAID"
has "where it happened" '#0 .* in main ' "$SAID"
has "and then it dies" 'Program terminated with signal SIGSEGV' "$SAID"
same "crash: status" 139 "$STATUS"

session interrupt sleep <<'G'
handle SIGUSR1 nostop noprint pass
python import os, signal, threading
python threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
continue
backtrace
print middle(2)
print $x8
set var stop_waiting = 7
kill
G
has "Ctrl-C" 'Program received signal SIGINT' "$SAID"
has "in the kernel" '#0 .* in read \(\)' "$SAID"
has "a call of a function from there" '\$1 = 14' "$SAID"
has "and back to the system call" '\$2 = 63' "$SAID"
same "kill" 137 "$STATUS"

session detach descriptors <<'G'
break half
continue
detach
G
has "the connection doesn't show, and can't be closed" '^descriptors 4$' "$OUT"
has "detached, it runs on" '^watched 2$' "$OUT"
same "detach: status" 42 "$STATUS"

# An amd64 guest: its registers, breakpoints of one byte, threads, calls, faults.
DEBUGGEE=./debuggee-amd64
export RUN_FOREIGN_TEST=native
session amd64 <<'G'
handle SIGUSR1 nostop noprint pass
break leaf
continue
backtrace
print $rdi
x/2xb $pc
finish
set var answer = 9
delete
break half
continue
set var $xmm0.v2_double[0] = 5.0
print $ymm0.v4_double[0]
x/i $pc
stepi
info registers eflags mxcsr fctrl
info auxv
watch watched
continue
continue
delete
break work
continue
info threads
print middle(3)
set var $rax = 0x1122334455667788
print/x $eax
delete
continue
G
has "amd64: a breakpoint" 'Breakpoint 1, leaf \(a=6\)' "$SAID"
has "amd64: a backtrace" '#2 .* in main \(argc=' "$SAID"
has "amd64: an argument" '^\$1 = 6' "$SAID"
! grep -qE '<leaf.*:\s0xcc' <<<"$SAID" && pass "amd64: no breakpoint shows in memory" || fail "amd64: no breakpoint shows in memory" "$SAID"
has "amd64: finish" 'Value returned is \$[0-9]+ = 42' "$SAID"
has "amd64: a vector register" '^\$3 = 5$' "$SAID"
has "amd64: mxcsr" '^mxcsr +0x1f80' "$SAID"
has "amd64: the x87's control word" '^fctrl +0x37f' "$SAID"
has "amd64: auxv" 'AT_PLATFORM .*"x86_64"' "$SAID"
has "amd64: a watchpoint" 'Old value = 0' "$SAID"
has "amd64: its next value" 'Old value = 1' "$SAID"
has "amd64: a thread's breakpoint" 'hit Breakpoint [0-9]+, work \(n=(n@entry=)?1\)' "$SAID"
has "amd64: a call of a function" '\$[0-9]+ = 21' "$SAID"
has "amd64: a register changed" '= 0x55667788$' "$SAID"
same "amd64: what it printed" $'answer 42\nhalf 2.5\nsignals 10\nwatched 2' "$OUT"
session amd64-crash crash <<'G'
continue
backtrace
continue
G
has "amd64: a fault is shown" 'Program received signal SIGSEGV' "$SAID"
has "amd64: where it happened" '#0 .* in main ' "$SAID"
same "amd64: crash: status" 139 "$STATUS"
session amd64-interrupt sleep <<'G'
python import os, signal, threading
python threading.Timer(1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
continue
backtrace
print middle(2)
print $orig_rax
kill
G
has "amd64: Ctrl-C in the kernel" '#0 .* in .*read' "$SAID"
has "amd64: a call of a function from there" '\$1 = 14' "$SAID"
same "amd64: kill" 137 "$STATUS"
unset RUN_FOREIGN_TEST
finish
