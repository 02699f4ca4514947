# limit: 900
# Programs that come as one file: glibc static and static-pie, Go static, BusyBox with each applet as a process, and all of them packed by UPX.
cat >t.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>
#include <pthread.h>
#include <unistd.h>
#include <iconv.h>
#include <math.h>
static void *f(void *p) { *(double *)p = cbrt(*(double *)p); return p; }
int main(int c, char **v) { double d = 27; pthread_t t; pthread_create(&t, 0, f, &d); pthread_join(t, 0); char b[512]; int n = readlink("/proc/self/exe", b, 511); b[n > 0 ? n : 0] = 0;
    printf("%g %d %s %s %zu\n", d, c, strrchr(v[0], '/') ? strrchr(v[0], '/') : v[0], strrchr(b, '/'), strlen(setlocale(LC_ALL, "") ? "ok" : "")); return c; }
C
gcc -O2 -static t.c -o a-static -lm && ./a-static; echo $?; gcc -O2 -static-pie -fPIE t.c -o a-pie -lm && ./a-pie 1; echo $?; gcc -O1 t.c -o a-dyn -lm; ./a-dyn; echo $?; gcc -O1 -no-pie -Wl,-z,norelro,-z,execstack t.c -o a-fixed -lm 2>/dev/null; ./a-fixed; echo $?
gcc -O1 -static -Wl,-z,max-page-size=65536 t.c -o a-64k -lm; ./a-64k; echo $?; gcc -O1 -Wl,--hash-style=sysv,-z,now,--no-relax t.c -o a-now -lm; ./a-now; echo $?
export GOCACHE=$PWD/cache GOTOOLCHAIN=local; printf 'package main\n\nimport ("fmt"; "os"; "time"; "runtime")\n\nfunc main() { c := make(chan int); for i := range 8 { go func() { c <- i }() }; s := 0; for range 8 { s += <-c }; time.Sleep(time.Millisecond); fmt.Println(s, len(os.Args), runtime.GOOS) }\n' >g.go
CGO_ENABLED=0 go build -o a-go g.go && ./a-go x; CGO_ENABLED=0 go build -ldflags='-s -w' -buildmode=pie -o a-gopie g.go && ./a-gopie x y
for a in a-static a-pie a-dyn a-fixed a-go; do upx -qq -o p-$a $a >/dev/null 2>&1; echo "$a packed $?"; [ ! -e p-$a ] || { ./p-$a 1 2; echo $?; }; done
upx -qq --best --lzma -o l-static a-static >/dev/null 2>&1 && { ./l-static; echo $?; upx -t l-static 2>/dev/null | grep -c OK; upx -qq -d l-static >/dev/null 2>&1 && cmp l-static a-static; }
bb=/bin/busybox; $bb | grep -c .; $bb seq 100 | $bb awk '{s+=$1} END {print s}'; $bb printf 'b\na\n' | $bb sort | $bb tr a-z A-Z; $bb echo abc | $bb sha512sum; $bb seq 99 | $bb gzip -c | $bb gunzip -c | $bb md5sum; $bb seq 2000 | $bb xxd | $bb tail -n 2
mkdir bin d && $bb --install -s bin && (PATH=$PWD/bin; ls bin | wc -l >n; seq 50 | xargs -n 7 echo | sed -n '$p'; find /srv/static -name '*.sh' | sort; tar cf d/t.tar a-static && tar tf d/t.tar; ash -c 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); (exit 3); done; echo $i $?'; vi --help 2>&1 | head -c 0; bc <<X
2^200
X
    dd if=/dev/zero bs=1k count=9 2>/dev/null | wc -c; expr 6 \* 7; date -u -d @86400 +%F; stat -c %a a-static; timeout 1 sleep 5; echo $?; nc -l -p 7777 >got & sleep 0.5; echo net | nc -w 1 127.0.0.1 7777; wait; cat got)
$bb httpd -f -p 127.0.0.1:8099 -h /srv/static & h=$!; sleep 0.5; $bb wget -qO- http://127.0.0.1:8099/packages | $bb wc -w; kill $h; chroot_ok=$($bb mkdir -p c/bin && $bb cp $bb c/bin/ && $bb chroot c /bin/busybox sh -c 'busybox ls /'); echo $chroot_ok
