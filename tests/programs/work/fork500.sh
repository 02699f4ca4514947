# 500 processes, one after the other and at once; pipes, statuses, background jobs and wait.
i=0 sum=0
while [ $i -lt 250 ]; do
    n=$(echo $((i * i)) | cat)
    sum=$((sum + n)); i=$((i + 1))
done
echo "sum $sum"
i=0
while [ $i -lt 50 ]; do
    (exit $((i % 7))) & i=$((i + 1))
done
wait; echo "waited $?"
pids=
for s in 0 1 2 3 42 126 127 255; do sh -c "exit $s" & pids="$pids $!"; done
for p in $pids; do wait $p; echo "status $?"; done
sh -c 'kill -TERM $$' ; echo "killed $?"
seq 1000 | sort -rn | awk '{s += $1} END {print s}' | tee copy | wc -c; cat copy
i=0
while [ $i -lt 150 ]; do /usr/bin/env true || echo no; i=$((i + 1)); done
true | false | true; echo "pipe $?"
trap 'echo got USR1' USR1; kill -USR1 $$; trap 'echo bye' EXIT
nosuchcommand 2>/dev/null; echo "missing $?"; . /dev/null; : >f; ./f 2>/dev/null; echo "noexec $?"
printf '#!/bin/sh\necho "script $0 $*"\n' >s; chmod +x s; ./s a 'b c' ''; PATH=.:$PATH; s x
printf '#!/usr/bin/env -S python3 -I\nimport sys; print("py", sys.argv)\n' >p; chmod +x p; ./p 1 2
printf '#!./s -o\n' >t; chmod +x t; ./t arg
