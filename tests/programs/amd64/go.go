package main

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

func sieve(n int) int {
	c := make(chan int)
	go func(c chan int) {
		for i := 2; ; i++ {
			c <- i
		}
	}(c)
	p := 0
	for ; n > 0; n-- {
		p = <-c
		next := make(chan int)
		go func(in, out chan int, p int) {
			for i := range in {
				if i%p != 0 {
					out <- i
				}
			}
		}(c, next, p)
		c = next
	}
	return p
}

type tree struct{ l, r *tree }

func grow(d int) *tree {
	if d == 0 {
		return &tree{}
	}
	return &tree{grow(d - 1), grow(d - 1)}
}
func (t *tree) count() int {
	if t.l == nil {
		return 1
	}
	return 1 + t.l.count() + t.r.count()
}

func recovered(f func()) (s string) {
	defer func() { s = fmt.Sprint(recover()) }()
	f()
	return
}

func main() {
	fmt.Println(runtime.GOARCH, sieve(120))
	n := 0
	for i := 0; i < 20; i++ {
		n += grow(12).count()
	}
	runtime.GC()
	fmt.Println(n)
	var nilmap map[string]int
	var niltree *tree
	zero, list := 0, []int{1}
	fmt.Println(recovered(func() { nilmap["a"] = 1 }), "|", recovered(func() { niltree.count() }), "|", recovered(func() { fmt.Println(1 / zero) }), "|", recovered(func() { list[zero+1]++ }))
	debug.SetPanicOnFault(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	var wg sync.WaitGroup
	sums := make([]string, 8)
	for i := range sums {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				panic(err)
			}
			text := strings.Repeat(fmt.Sprint(i, " "), 20000)
			go func() { io.WriteString(c, text); c.(*net.TCPConn).CloseWrite() }()
			h := sha256.New()
			io.Copy(h, c)
			sums[i] = fmt.Sprintf("%x", h.Sum(nil))[:12]
		}()
	}
	wg.Wait()
	fmt.Println(sums)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := 0; i < 5000; i++ {
		fmt.Fprintln(z, i*i, math.Sqrt(float64(i)))
	}
	z.Close()
	r, _ := gzip.NewReader(&b)
	text, _ := io.ReadAll(r)
	fmt.Printf("%d %x\n", len(text), sha256.Sum256(text))
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	sig := ed25519.Sign(key, text)
	fmt.Printf("%x %v\n", sig[:8], ed25519.Verify(key.Public().(ed25519.PublicKey), text, sig))
	x := new(big.Int).Exp(big.NewInt(3), big.NewInt(4000), nil)
	y, _ := new(big.Int).SetString(strings.Repeat("123456789", 60), 10)
	fmt.Println(new(big.Int).Mod(x, y), new(big.Int).ProbablyPrime(0) || true)
	fmt.Println(math.FMA(1.1, 2.2, 3.3), math.Sin(1e10), math.Pow(2.5, 100.25), math.Inf(1)-math.Inf(1), float32(0.1)*3, int64(math.Float64frombits(0x43dfffffffffffff)))
	m := map[string]float64{"pi": math.Pi, "e": math.E, "ln2": math.Ln2}
	j, _ := json.Marshal(m)
	fmt.Println(string(j))
	words := strings.Fields(strings.Repeat("the quick brown fox jumps over the lazy dog ", 500))
	sort.SliceStable(words, func(i, j int) bool { return words[i] < words[j] })
	fmt.Println(words[0], words[len(words)-1], len(words))
	out, err := exec.Command("sh", "-c", "echo child; exit 3").Output()
	var e *exec.ExitError
	fmt.Println(strings.TrimSpace(string(out)), errors.As(err, &e) && e.ExitCode() == 3)
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-sigs)
	t := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	for i := 0; i < 4; i++ {
		<-tick.C
	}
	fmt.Println(time.Since(t) >= 19*time.Millisecond)
	spin, done := 0, make(chan bool)
	go func() {
		for i := 0; i < 30_000_000; i++ {
			spin += i & 3
		}
		done <- true
	}()
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	<-done
	fmt.Println(spin)
}
