# limit: 1800
# The race detector: packages' tests with it, and a program that has a race.
export GOCACHE=/tmp/run/cache GOTOOLCHAIN=local GOFLAGS=-mod=mod
(
    cd "$(go env GOROOT)/src" || exit
    for p in sync sync/atomic sort strings; do
        (cd "$p" && go test -race -c -o "/tmp/run/${p##*/}.test" . && timeout 600 "/tmp/run/${p##*/}.test" -test.short >/tmp/run/log 2>&1; echo "$p: $?"; grep -E '^ *--- FAIL|^panic|^fatal' /tmp/run/log; tail -n 20 /tmp/run/log >&2)
    done
)
cat >race.go <<'G'
package main

import "fmt"

func main() {
	n, done := 0, make(chan bool)
	for i := 0; i < 2; i++ {
		go func() {
			for j := 0; j < 1000; j++ {
				n++
			}
			done <- true
		}()
	}
	<-done
	<-done
	fmt.Println(n > 0)
}
G
go build -race race.go && ./race 2>err; echo "race $?"; grep -c 'WARNING: DATA RACE' err
