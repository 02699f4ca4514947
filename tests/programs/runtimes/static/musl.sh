# Programs with musl instead of glibc: static, static-pie, dynamic, with threads, signals, dlopen, locale-free printf; started every way.
cat >t.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
static __thread int mine = 7;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn, total;
static void *work(void *arg)
{
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&lock);
        while (turn % 4 != (int)(long)arg) pthread_cond_wait(&cond, &lock);
        turn++; total += ++mine;
        pthread_cond_broadcast(&cond); pthread_mutex_unlock(&lock);
    }
    return (void *)(long)mine;
}
static void *forever(void *arg) { for (;;) pause(); return arg; }
static sigjmp_buf env;
static volatile int seen;
static void on(int s, siginfo_t *i, void *u) { (void)u; seen = s + i->si_code * 0; if (s == SIGSEGV) siglongjmp(env, 1); }
extern char **environ;
int main(int argc, char **argv)
{
    pthread_t t[4]; void *r; char b[64]; int status; pid_t p; double d = 0.1;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc > 1) return printf("child %s\n", argv[1]), 9;
    for (long i = 0; i < 4; i++) pthread_create(&t[i], NULL, work, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(t[i], &r), printf("%ld ", (long)r);
    printf("%d %d\n", total, mine);
    pthread_create(t, NULL, forever, NULL); pthread_cancel(t[0]); pthread_join(t[0], &r); printf("cancelled %d\n", r == PTHREAD_CANCELED);
    struct sigaction sa = { .sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 }; sigaltstack(&ss, NULL);
    sigaction(SIGSEGV, &sa, NULL); sigaction(SIGUSR1, &sa, NULL);
    if (!sigsetjmp(env, 1)) *(volatile int *)8 = 1; printf("caught %d\n", seen); raise(SIGUSR1); printf("raised %d\n", seen);
    if (!(p = fork())) { execl("/proc/self/exe", "t", "forked", (char *)0); _exit(1); } waitpid(p, &status, 0); printf("%d\n", WEXITSTATUS(status));
    posix_spawn(&p, "/proc/self/exe", NULL, NULL, (char *[]){"t", "spawned", NULL}, environ); waitpid(p, &status, 0); printf("%d\n", WEXITSTATUS(status));
    printf("%d %s\n", system("exit 3") >> 8, strerror(ENOENT)); FILE *f = popen("echo popen; cat /dev/null", "r"); fgets(b, sizeof b, f); printf("%s%d\n", b, pclose(f));
    printf("%.17g %a %Lg %ls %08.3f %s\n", sin(d) + exp(d) + pow(d, 0.3), d, 1e300L * 1e10L, L"wide", -d, strtod("nan", NULL) != strtod("nan", NULL) ? "nan" : "");
    char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); m[99] = 1; m = mremap(m, 1 << 20, 4 << 20, MREMAP_MAYMOVE); printf("%d\n", m[99] + m[3 << 20]);
    struct timespec ts; clock_gettime(CLOCK_MONOTONIC, &ts); printf("%d %ld\n", ts.tv_sec > 0, sysconf(_SC_PAGESIZE)); sem_t s; sem_init(&s, 0, 1); printf("%d", sem_wait(&s)); clock_gettime(CLOCK_REALTIME, &ts); ts.tv_nsec = 0; int w = sem_timedwait(&s, &ts); printf(" %d %d\n", w, errno == ETIMEDOUT);
    srand48(5); qsort(b, 0, 1, NULL); printf("%.10f %d\n", drand48(), getauxval(AT_SECURE) == 0); struct protoent *pe = getprotobyname("tcp"); printf("%d\n", pe ? pe->p_proto : -1);
#ifdef DYNAMIC
    void *h = dlopen("./plugin.so", RTLD_NOW); int (*f2)(int) = h ? (int (*)(int))dlsym(h, "twice") : NULL; printf("%d %s\n", f2 ? f2(21) : -1, dlopen("./none.so", RTLD_NOW) ? "" : "no plugin");
#endif
    for (size_t i = 0; i < 2000; i++) free(realloc(malloc(i * 37), i * 91)); abort();
}
C
echo 'static __thread int calls; int twice(int x) { calls++; return 2 * x * calls; }' >p.c; musl-gcc -shared -fPIC p.c -o plugin.so
show() { "$@"; echo "status $?"; }
musl-gcc -O2 -static t.c -o static && show ./static; musl-gcc -O2 -static-pie -fPIE t.c -o pie && show ./pie | cksum; musl-gcc -O2 -DDYNAMIC t.c -o dynamic && show ./dynamic; musl-gcc -O0 -no-pie -DDYNAMIC t.c -o fixed && show ./fixed | cksum
ld=$(ls /lib/ld-musl-*.so.1); show "$ld" ./dynamic | cksum; "$ld" --list ./dynamic | wc -l; echo 'int twice(int x) { return x + 1; }' >q.c; musl-gcc -shared -fPIC q.c -o pre.so; LD_PRELOAD=./pre.so ./dynamic | grep -n 42
show env -i ./static x; (exec -a other ./dynamic a) 2>/dev/null || :; (ulimit -s 256; show ./static) | cksum; strip static && show ./static | cksum
