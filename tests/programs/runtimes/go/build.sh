# limit: 600
# A module with packages, generics, goroutines, tests and C: build, vet, run, test; linked statically and dynamically.
export GOCACHE=/tmp/run/cache GOTOOLCHAIN=local
mkdir -p m/ring && cd m
cat >go.mod <<'G'
module example.org/m

go 1.24
G
cat >ring/ring.go <<'G'
// Package ring has a ring buffer.
package ring

type Ring[T any] struct {
	items []T
	at    int
}

func New[T any](n int) *Ring[T] { return &Ring[T]{items: make([]T, n)} }

func (r *Ring[T]) Put(v T) { r.items[r.at%len(r.items)] = v; r.at++ }

func (r *Ring[T]) All(yield func(int, T) bool) {
	for i := range r.items {
		if !yield(i, r.items[(r.at+i)%len(r.items)]) {
			return
		}
	}
}
G
cat >ring/ring_test.go <<'G'
package ring

import "testing"

func TestRing(t *testing.T) {
	r := New[string](2)
	for _, s := range []string{"a", "b", "c"} {
		r.Put(s)
	}
	got := ""
	for _, s := range r.All {
		got += s
	}
	if got != "bc" {
		t.Fatal(got)
	}
}

func BenchmarkPut(b *testing.B) {
	r := New[int](64)
	for b.Loop() {
		r.Put(1)
	}
}
G
cat >main.go <<'G'
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.org/m/ring"
)

/*
#include <stdlib.h>
#include <stdint.h>
static uint64_t mix(uint64_t x) { return (x ^ x >> 33) * 0xff51afd7ed558ccdull; }
extern int less(void *, void *);
static int compare(const void *a, const void *b) { return less((void *)a, (void *)b); }
static void sort_them(int *v, size_t n) { qsort(v, n, sizeof *v, compare); }
*/
import "C"
import "unsafe"

//export less
func less(a, b unsafe.Pointer) C.int { return C.int(*(*int32)(a) - *(*int32)(b)) }

func primes(n int) int {
	numbers := make(chan int)
	go func() {
		for i := 2; ; i++ {
			numbers <- i
		}
	}()
	ch, last := numbers, 0
	for i := 0; i < n; i++ {
		last = <-ch
		next := make(chan int)
		go func(in <-chan int, out chan<- int, p int) {
			for {
				if v := <-in; v%p != 0 {
					out <- v
				}
			}
		}(ch, next, last)
		ch = next
	}
	return last
}

func null() (err error) {
	defer func() { err = recover().(error) }()
	var p *[4]int
	p[2] = 1
	return
}

func deep(n int, b [64]byte) int {
	if n == 0 {
		return int(b[0])
	}
	b[0]++
	return deep(n-1, b)
}

func served() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err.Error()
	}
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path) }))
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	for i := range 100 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := http.Get(fmt.Sprintf("http://%s/%d", l.Addr(), i))
			if err != nil {
				return
			}
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			mu.Lock()
			n += len(b)
			mu.Unlock()
		}()
	}
	wg.Wait()
	return fmt.Sprint("served ", n)
}

func main() {
	r := ring.New[float64](3)
	for i := range 10 {
		r.Put(math.Sqrt(float64(i)))
	}
	for i, v := range r.All {
		fmt.Println(i, v)
	}
	fmt.Println(primes(300), null(), deep(100000, [64]byte{}), C.mix(12345))
	v := []C.int{5, -3, 9, 0, 7}
	C.sort_them(&v[0], C.size_t(len(v)))
	fmt.Println(v)
	fmt.Println(served())
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	sum := sha256.Sum256([]byte("x"))
	sig, _ := ecdsa.SignASN1(rand.Reader, key, sum[:])
	fmt.Printf("%x %v %08x\n", sum[:4], ecdsa.VerifyASN1(&key.PublicKey, sum[:], sig), crc32.ChecksumIEEE([]byte("run")))
	j, _ := json.Marshal(map[string]any{"b": []int{1, 2}, "a": 1e21, "c": nil})
	fmt.Println(string(j))
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-c)
	var stop atomic.Bool
	go func() {
		for n := 0; !stop.Load(); n++ {
			_ = n // no call: only a signal can preempt it
		}
	}()
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	stop.Store(true)
	out, err := exec.Command("sh", "-c", "echo child; exit 3").Output()
	var exit *exec.ExitError
	fmt.Printf("%q %v\n", out, errors.As(err, &exit) && exit.ExitCode() == 3)
	words := map[string]int{}
	s := bufio.NewScanner(os.Stdin)
	for s.Scan() {
		words[s.Text()]++
	}
	keys := make([]string, 0, len(words))
	for k := range words {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	fmt.Println(len(keys), keys[:3])
	var m runtime.MemStats
	var lists [][]byte
	for i := range 20000 {
		lists = append(lists, make([]byte, i%2000))
		if i%100 == 0 {
			lists = nil
		}
	}
	runtime.ReadMemStats(&m)
	fmt.Println(m.NumGC > 0, runtime.GOOS)
}
G
go vet ./...; echo "vet $?"
seq 1000 | go run .; echo "run $?"
go build -o a . && seq 1000 | ./a | sha256sum
go build -o b -ldflags='-linkmode external -extldflags -static' . 2>/dev/null && seq 1000 | ./b | sha256sum
go build -o c -buildmode=pie . && seq 1000 | GOMAXPROCS=1 GOGC=5 ./c | sha256sum
go test ./... | awk '{print $1, $2}'; go test -run xxx -bench . -benchtime 1000x ./ring | awk '/^Bench/ {print "bench"}'
go test -cover ./ring | grep -o 'coverage: .*'
gofmt -l .; go list ./...; go doc ./ring | head -n 1; go tool nm a | grep -o 'T main.main$'
printf 'package main\n\nfunc main() { var m map[int]int; m[1] = 2 }\n' >/tmp/run/panic.go; go run /tmp/run/panic.go 2>&1 | grep -vE '^\s|^goroutine|^main|^$'
