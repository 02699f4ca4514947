// Signals, system calls, forks and programs all at once: nothing may be lost, doubled or torn. The output must be the same natively
// and under the runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define say(...) (printf(__VA_ARGS__), fflush(stdout))
#define THREADS 4
#define SENT 400

extern char **environ;
static atomic_int received[THREADS], sum[THREADS], ticks, stop;
static __thread int me = -1;
static pthread_t thread[THREADS];
static atomic_int ready;

static void queued(int sig, siginfo_t *i, void *c) {
    (void)sig, (void)c;
    received[me]++;
    sum[me] += i->si_value.sival_int;
}
static void tick(int sig) {
    (void)sig;
    int e = errno;
    ticks++;
    (void)!write(-1, "", 1);
    errno = e;
}

// Each kind of work notices by itself when something is wrong.
static int calculates(void) {
    uint64_t h = 1;
    double d = 1;
    for (int i = 0; i < 20000; i++) h = h * 6364136223846793005u + 1442695040888963407u, d = d * 1.0001 + (h >> 60);
    static _Atomic uint64_t first;
    static _Atomic uint64_t first_d;
    uint64_t expected = 0, bits;
    memcpy(&bits, &d, 8);
    if (!atomic_compare_exchange_strong(&first, &expected, h) && expected != h) return 1;
    expected = 0;
    return !atomic_compare_exchange_strong(&first_d, &expected, bits) && expected != bits;
}
static int pipes(void) {
    int p[2], bad = 0;
    if (pipe(p)) return 1;
    for (unsigned i = 0; i < 50; i++) {
        unsigned got = ~i;
        if (write(p[1], &i, sizeof i) != sizeof i || read(p[0], &got, sizeof got) != sizeof got || got != i) bad = 1;
    }
    close(p[0]), close(p[1]);
    return bad;
}
static int maps(void) {
    char *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 7, 65536);
    int bad = m[65535] != 7;
    munmap(m, 65536);
    return bad;
}
static int masks(void) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int n = received[me], t = ticks, bad;
    for (volatile int i = 0; i < 1000; i++) {}
    bad = received[me] != n;
    (void)t;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return bad;
}
static int status_of(pid_t pid) {
    int st;
    while (waitpid(pid, &st, 0) != pid)
        if (errno != EINTR) return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
static int forks(void) {
    pid_t pid = fork();
    if (!pid) _exit(received[me] >= 0 && getpid() == syscall(SYS_gettid) ? 5 : 6);
    return status_of(pid) != 5;
}
static int spawns(void) {
    pid_t pid;
    char *argv[] = {"storm", "9", NULL};
    return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) || status_of(pid) != 9;
}
static void *nothing(void *arg) { return arg; }
static int births(void) {
    pthread_t t;
    void *r = NULL;
    return pthread_create(&t, NULL, nothing, &r) || pthread_join(t, &r) || r != &r;
}

static int (*const work[])(void) = {calculates, pipes, maps, masks, forks, births, spawns};
static atomic_int bad[sizeof work / sizeof *work];

static void *worker(void *arg) {
    me = (int)(intptr_t)arg;
    ready++;
    for (unsigned i = me; !stop; i++) {
        unsigned kind = i % 7;
        if (kind == 6 && i % 3) continue;
        bad[kind] += work[kind]();
    }
    return NULL;
}

int main(int argc, char **argv) {
    if (argc > 1) return atoi(argv[1]);
    alarm(100);
    struct sigaction a = {.sa_sigaction = queued, .sa_flags = SA_SIGINFO | SA_RESTART}, t = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGRTMIN, &a, NULL);
    sigaction(SIGPROF, &t, NULL);
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGRTMIN);
    for (intptr_t i = 0; i < THREADS; i++) pthread_create(&thread[i], NULL, worker, (void *)i);
    while (ready < THREADS) usleep(1000);
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    struct itimerval every = {{0, 2000}, {0, 2000}}, off = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &every, NULL);
    for (int n = 0; n < SENT; n++) {
        for (int i = 0; i < THREADS; i++)
            while (pthread_sigqueue(thread[i], SIGRTMIN, (union sigval){.sival_int = n}) == EAGAIN) usleep(1000);
        usleep(500);
    }
    for (int i = 0; i < THREADS; i++)
        for (int k = 0; received[i] < SENT && k < 20000; k++) usleep(1000);
    while (ticks < 10) usleep(1000);
    setitimer(ITIMER_PROF, &off, NULL);
    stop = 1;
    for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
    for (int i = 0; i < THREADS; i++) say("thread %d: received %d sum %d\n", i, received[i], sum[i]);
    for (unsigned i = 0; i < sizeof work / sizeof *work; i++) say("work %u: bad %d\n", i, bad[i]);
    return 0;
}
