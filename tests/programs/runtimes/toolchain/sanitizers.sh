# limit: 600
# AddressSanitizer and UndefinedBehaviorSanitizer: what they find, where, and how the program ends. (Leaks are looked for by ptrace, which guests
# don't have; ThreadSanitizer wants addresses of 48 bits.)
cat >a.c <<'C'
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
volatile int zero, n = 10;
int global[10];
int *volatile kept;
__attribute__((noinline)) static int *local(void) { int a[10]; kept = a; return kept; }
__attribute__((noinline)) static void heap(void) { char *p = malloc(n); p[n] = 1; }
__attribute__((noinline)) static void freed(void) { char *p = malloc(n); free(p); putchar(p[3]); }
__attribute__((noinline)) static void twice(void) { void *volatile p = malloc(n); free(p); free(p); }
__attribute__((noinline)) static void stack(void) { int a[10]; a[n] = zero; kept = a; }
__attribute__((noinline)) static void returned(void) { putchar(local()[2]); }
__attribute__((noinline)) static void globals(void) { global[n] = 1; }
__attribute__((noinline)) static void copy(void) { char *p = malloc(n); memcpy(p, "0123456789abcdef", n + 1); }
__attribute__((noinline)) static void null(void) { *(int *)(long)zero = 1; }
__attribute__((noinline)) static void wild(void) { free((char *)malloc(n) + 1); }
__attribute__((noinline)) static int down(int k) { volatile char a[1000]; a[0] = k; return down(k + 1) + a[0]; }
__attribute__((noinline)) static void deep(void) { down(0); }
static void *thread(void *p) { char *q = malloc(5); free(p); free(q); return NULL; }
__attribute__((noinline)) static void threads(void) { char *p = malloc(n); pthread_t t; for (int i = 0; i < 20; i++) { pthread_create(&t, NULL, thread, malloc(100)); pthread_join(t, NULL); } pthread_create(&t, NULL, thread, p); pthread_join(t, NULL); p[1] = 1; }
static sigjmp_buf env;
static void on(int s) { siglongjmp(env, s); }
__attribute__((noinline)) static void fine(void)
{
    if (!fork()) { char *p = calloc(1, 5000); for (int i = 0; i < 3000; i++) p = realloc(p, i + 1), p[i] = i; free(p); _exit(7); }
    int s; wait(&s); signal(SIGSEGV, on); signal(SIGUSR1, on);
    if (!sigsetjmp(env, 1)) raise(SIGUSR1); else printf("caught %d\n", WEXITSTATUS(s));
}
__attribute__((noinline)) static void undefined(void)
{
    int big = 0x7fffffff; long wide = 40; char b = 2; double huge = 1e30; struct { char c; int i; } __attribute__((packed)) s; int *p = &s.i;
    printf("%d", big + n); printf("%d", 1 << (wide + zero)); printf("%d", *(_Bool volatile *)&b); printf("%d", (int)(huge * n)); printf("%d", global[n + zero]);
    *p = n; printf("%d", -(-0x7fffffff - 1 + zero)); printf("%d", n / (zero + 1) + n % (zero + 1)); int v[n - 5]; v[0] = 0; printf("%d\n", v[0]); kept = (int *)1;
}
int main(int c, char **v)
{
    (void)c;
#define X(f) if (!strcmp(v[1], #f)) f();
    X(heap) X(freed) X(twice) X(stack) X(returned) X(globals) X(copy) X(null) X(wild) X(deep) X(threads) X(fine) X(undefined)
    return 3;
}
C
seen() { sed -nE 's/^==[0-9]+==ERROR: (AddressSanitizer: [-a-zA-Z]+).*/\1/p; s/^(READ|WRITE) of size ([0-9]+).*/\1 \2/p; s/^.*(0x0*[0-9a-f]+) is located ([0-9]+) bytes (after|before|inside) (of )?([0-9]+-byte) region.*/\2 \3 \5/p; s/^a\.c:([0-9]+:[0-9]+: runtime error: .*)/\1/p; s/^ *#[0-9]+ 0x[0-9a-f]+ in ([a-z]+) .*a\.c:([0-9]+).*/at \1 \2/p; /^caught|^[0-9]/p' | sed '/ global variable /d; s/0x[0-9a-f]*/ADDRESS/' | uniq; }
for o in "-O0" "-O1 -fno-omit-frame-pointer"; do
    gcc -g -w $o -pthread -fsanitize=address a.c -o a && for f in heap freed twice stack returned globals copy null wild deep threads fine; do
        ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 ./a $f >out 2>&1; echo "$f: $?"; seen <out | head -n 6; done
    gcc -g -w $o -fsanitize=undefined,float-cast-overflow a.c -o u && { ./u undefined 2>&1 | seen; UBSAN_OPTIONS=halt_on_error=1 ./u undefined >/dev/null 2>&1; echo "halted $?"; }
    gcc -g -w $o -fsanitize=undefined -fsanitize-trap=undefined a.c -o t && { (./t undefined; test $? -gt 128; echo "trapped $?") 2>/dev/null; }
    gcc -g -w $o -pthread -fsanitize=address,undefined -static-libasan -static-libubsan a.c -o s && { ASAN_OPTIONS=detect_leaks=0 ./s heap 2>&1 | seen | head -n 3; ASAN_OPTIONS=detect_leaks=0 ./s fine; echo "static $?"; }
done
