# limit: 3000
# The tests of the standard library's own packages, compiled once and run with 1, 2 and 8 threads of Go's scheduler. PACKAGES and PROCS choose.
export GOCACHE=/tmp/run/cache GOTOOLCHAIN=local GOFLAGS=-mod=mod
cd "$(go env GOROOT)/src" || exit
for p in ${PACKAGES:-sort strings sync sync/atomic math math/big encoding/json os/signal os/exec net time}; do
    (cd "$p" && go test -c -o "/tmp/run/${p##*/}.test" .) || { echo "$p: not compiled"; continue; }
    for m in ${PROCS:-1 2 8}; do
        (cd "$p" && GOMAXPROCS=$m timeout 400 "/tmp/run/${p##*/}.test" -test.short -test.timeout 390s >/tmp/run/log 2>&1; echo "$p GOMAXPROCS=$m: $?"
            grep -E '^ *--- FAIL|^panic|^fatal' /tmp/run/log; tail -n 30 /tmp/run/log >&2)
    done
done
