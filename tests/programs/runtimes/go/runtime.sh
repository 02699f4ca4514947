# limit: 3400
# The tests of package runtime: signals, preemption, stack growth, the collector, crash reports of children.
export GOCACHE=/tmp/run/cache GOTOOLCHAIN=local GOFLAGS=-mod=mod
cd "$(go env GOROOT)/src/runtime" && go test -c -o /tmp/run/runtime.test . || exit
timeout 3000 /tmp/run/runtime.test -test.short -test.timeout 2990s >/tmp/run/log 2>&1; echo "status $?"
grep -E '^ *--- FAIL|^panic|^fatal' /tmp/run/log; tail -n 60 /tmp/run/log >&2
