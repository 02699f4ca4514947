// Threads. The output must be the same natively and under the runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define say(...) (printf(__VA_ARGS__), fflush(stdout))
#define N 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;
static atomic_long atomic_counter;
static __thread int local = 5;

static void *count(void *arg) {
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        atomic_counter++;
    }
    local += (int)(intptr_t)arg;
    return (void *)(intptr_t)local;
}
static void join(void) {
    pthread_t t[N];
    long sum = 0;
    for (intptr_t i = 0; i < N; i++) pthread_create(&t[i], NULL, count, (void *)i);
    for (int i = 0; i < N; i++) {
        void *r;
        pthread_join(t[i], &r);
        sum += (intptr_t)r;
    }
    say("join: %ld %ld sum %ld own %d\n", counter, (long)atomic_counter, sum, local);
}

static int turn;
static void *ping(void *arg) {
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&lock);
        while (turn % 2 != me) pthread_cond_wait(&cond, &lock);
        turn++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}
static void conditions(void) {
    pthread_t a, b;
    pthread_create(&a, NULL, ping, (void *)0);
    pthread_create(&b, NULL, ping, (void *)1);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    say("ping-pong: %d\n", turn);
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 5000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    pthread_mutex_lock(&lock);
    say("timed wait: %d\n", pthread_cond_timedwait(&cond, &lock, &t) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
}

static void *nothing(void *arg) { return arg; }
static void many(void) {
    int failed = 0;
    for (int i = 0; i < 2000; i++) {
        pthread_t t;
        void *r = NULL;
        if (pthread_create(&t, NULL, nothing, (void *)(intptr_t)i)) failed++;
        else pthread_join(t, &r), failed += r != (void *)(intptr_t)i;
    }
    say("2000 threads: failed %d\n", failed);
}

static atomic_int ran;
static void *detached(void *arg) {
    (void)arg;
    ran++;
    return NULL;
}
static void detach(void) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 50; i++) {
        pthread_t t;
        pthread_create(&t, &a, detached, NULL);
    }
    for (int i = 0; ran < 50 && i < 2000; i++) usleep(1000);
    say("detached: %d\n", ran);
}

static void *ids(void *arg) {
    int *out = arg;
    out[0] = getpid();
    out[1] = syscall(SYS_gettid);
    out[2] = getppid();
    char name[16];
    prctl(PR_SET_NAME, "a-thread");
    pthread_getname_np(pthread_self(), name, sizeof name);
    out[3] = strcmp(name, "a-thread");
    return NULL;
}
static void identity(void) {
    int out[4];
    pthread_t t;
    pthread_create(&t, NULL, ids, out);
    pthread_join(t, NULL);
    say("ids: pid %d tid %d ppid %d name %d; main tid %d\n", out[0] == getpid(), out[1] != getpid(), out[2] == getppid(), out[3],
        syscall(SYS_gettid) == getpid());
}

static pthread_mutex_t robust;
static void *owner(void *arg) {
    (void)arg;
    pthread_mutex_lock(&robust);
    return NULL;
}
static void *waiter(void *arg) {
    (void)arg;
    int r = pthread_mutex_lock(&robust);
    if (r == EOWNERDEAD) pthread_mutex_consistent(&robust);
    pthread_mutex_unlock(&robust);
    return (void *)(intptr_t)r;
}
static void *slow_owner(void *arg) {
    pthread_mutex_lock(&robust);
    sem_post(arg);
    usleep(20000);
    return NULL;
}
static void robustness(void) {
    pthread_mutexattr_t a;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &a);
    pthread_t t, w;
    void *r;
    pthread_create(&t, NULL, owner, NULL);
    pthread_join(t, NULL);
    say("robust: %d", pthread_mutex_lock(&robust) == EOWNERDEAD);
    pthread_mutex_consistent(&robust);
    pthread_mutex_unlock(&robust);
    sem_t s;
    sem_init(&s, 0, 0);
    pthread_create(&t, NULL, slow_owner, &s);
    sem_wait(&s);
    pthread_create(&w, NULL, waiter, NULL);
    pthread_join(w, &r);
    pthread_join(t, NULL);
    say(" waiter %d", (intptr_t)r == EOWNERDEAD);
    // Shared with a process that dies.
    pthread_mutex_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(shared, &a);
    pid_t pid = fork();
    if (!pid) {
        pthread_mutex_lock(shared);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    say(" process %d\n", pthread_mutex_lock(shared) == EOWNERDEAD);
}

static _Atomic(pthread_t) got;
static void on_usr1(int sig) {
    (void)sig;
    got = pthread_self();
}
static atomic_int stop_spinning;
static void *spin(void *arg) {
    sem_post(arg);
    while (!stop_spinning) {}
    return NULL;
}
static void *sleeper(void *arg) {
    sem_post(arg);
    while (!stop_spinning) usleep(100000);
    return NULL;
}
static void directed(void) {
    pthread_t t[2];
    sem_t s;
    sem_init(&s, 0, 0);
    signal(SIGUSR1, on_usr1);
    pthread_create(&t[0], NULL, spin, &s);
    pthread_create(&t[1], NULL, sleeper, &s);
    sem_wait(&s), sem_wait(&s);
    for (int i = 0; i < 2; i++) {
        got = 0;
        pthread_kill(t[i], SIGUSR1);
        for (int k = 0; !got && k < 5000; k++) usleep(1000);
        say("pthread_kill %d: %d\n", i, pthread_equal(got, t[i]));
    }
    stop_spinning = 1;
    pthread_join(t[0], NULL), pthread_join(t[1], NULL);
}

static void *wait_for_signal(void *arg) {
    int sig = 0;
    sigwait(arg, &sig);
    return (void *)(intptr_t)sig;
}
static void *mask_of_thread(void *arg) {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    *(int *)arg = sigismember(&now, SIGUSR2) * 10 + sigismember(&now, SIGHUP);
    return NULL;
}
static void process_signals(void) {
    sigset_t s, old;
    int seen = -1;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &s, &old);
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, mask_of_thread, &seen);
    pthread_join(t, NULL);
    say("inherited mask: %d\n", seen);
    pthread_create(&t, NULL, wait_for_signal, &s);
    kill(getpid(), SIGUSR2);
    pthread_join(t, &r);
    say("sigwait in a thread: %d\n", (intptr_t)r == SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void cleanup(void *arg) { *(int *)arg += 1; }
static void *cancelled(void *arg) {
    pthread_cleanup_push(cleanup, arg);
    for (;;) pause();
    pthread_cleanup_pop(0);
    return NULL;
}
static void *cancelled_spinning(void *arg) {
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    sem_post(arg);
    for (;;) {}
}
static void cancel(void) {
    int cleaned = 0;
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, cancelled, &cleaned);
    usleep(5000);
    pthread_cancel(t);
    pthread_join(t, &r);
    say("cancelled: %d cleaned %d", r == PTHREAD_CANCELED, cleaned);
    sem_t s;
    sem_init(&s, 0, 0);
    pthread_create(&t, NULL, cancelled_spinning, &s);
    sem_wait(&s);
    pthread_cancel(t);
    pthread_join(t, &r);
    say(" spinning %d\n", r == PTHREAD_CANCELED);
}

static pthread_barrier_t barrier;
static atomic_int serial;
static void *meet(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++)
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) serial++;
    return NULL;
}
static void barriers(void) {
    pthread_t t[4];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 4; i++) pthread_create(&t[i], NULL, meet, NULL);
    for (int i = 0; i < 4; i++) pthread_join(t[i], NULL);
    say("barriers: %d\n", serial);
}

static int ended(pid_t pid) {
    int st;
    waitpid(pid, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
static void *exit_later(void *arg) {
    usleep(20000);
    if (arg) exit((int)(intptr_t)arg);
    return NULL;
}
static void *exec_later(void *arg) {
    char *argv[] = {arg, "exec'd", NULL};
    usleep(10000);
    execv(arg, argv);
    _exit(98);
}
static void *fault(void *arg) {
    *(volatile int *)8 = (int)(intptr_t)arg;
    return NULL;
}
static void exits(char *self) {
    pid_t pid;
    pthread_t t;
    if (!(pid = fork())) {
        pthread_create(&t, NULL, exit_later, (void *)33);
        pause();
    }
    say("exit in a thread: %d\n", ended(pid));
    if (!(pid = fork())) {
        pthread_create(&t, NULL, exit_later, NULL);
        pthread_exit(NULL);
    }
    say("main thread first: %d\n", ended(pid));
    if (!(pid = fork())) {
        pthread_create(&t, NULL, exit_later, NULL);
        syscall(SYS_exit, 44);
    }
    say("main thread with a status: %d\n", ended(pid));
    if (!(pid = fork())) {
        pthread_create(&t, NULL, exec_later, self);
        pause();
    }
    say("exec in a thread: %d\n", ended(pid));
    if (!(pid = fork())) {
        pthread_create(&t, NULL, fault, NULL);
        pause();
    }
    say("fault in a thread: %d\n", ended(pid));
    if (!(pid = fork())) {
        pthread_create(&t, NULL, exit_later, NULL);
        kill(getpid(), SIGKILL);
    }
    say("kill: %d\n", ended(pid));
}

static void *fork_here(void *arg) {
    (void)arg;
    pid_t pid = fork();
    if (!pid) {
        pthread_t t;
        void *r = NULL;
        pthread_create(&t, NULL, nothing, (void *)3);
        pthread_join(t, &r);
        pthread_exit((void *)(intptr_t)(syscall(SYS_gettid) != getpid() || r != (void *)3));
    }
    return (void *)(intptr_t)ended(pid);
}
static void fork_in_thread(void) {
    pthread_t t;
    void *r;
    pthread_create(&t, NULL, fork_here, NULL);
    pthread_join(t, &r);
    say("fork in a thread, whose child exits as a thread: %d\n", (int)(intptr_t)r);
}

// clone without the C library: a process in the same memory that nobody waits for, and a futex on its id.
static char stack[2][65536] __attribute__((aligned(16)));
static volatile int shared;
static atomic_int child_id;
static int sharer(void *arg) {
    shared = (int)(intptr_t)arg;
    return getpid() == syscall(SYS_gettid) ? 7 : 8;
}
static void sharing(void) {
    int st;
    pid_t pid = clone(sharer, stack[0] + sizeof stack[0], CLONE_VM | SIGCHLD, (void *)123);
    waitpid(pid, &st, 0);
    say("CLONE_VM: exit %d shared %d\n", WEXITSTATUS(st), shared);
    child_id = -1;
    pid_t tid = clone(sharer, stack[1] + sizeof stack[1],
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
        (void *)321, &child_id, NULL, &child_id);
    int now;
    while ((now = child_id)) syscall(SYS_futex, &child_id, FUTEX_WAIT, now, NULL, NULL, 0);
    say("raw thread: %d shared %d\n", tid > 0, shared);
}

// The word that is to be cleared at a thread's end may be gone by then.
static int takes_its_word_along(void *word) {
    munmap(word, 4096);
    return 0;
}

static void lost_words(void) {
    static char stack[65536] __attribute__((aligned(16)));
    for (int i = 0; i < 20; i++) {
        void *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
        int tid = clone(takes_its_word_along, stack + sizeof stack, flags, word, NULL, NULL, word);
        while (tid > 0 && syscall(SYS_tgkill, getpid(), tid, 0) == 0) sched_yield();
    }
    say("words: gone\n");
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) return 55;
    alarm(100);
    join();
    conditions();
    many();
    detach();
    identity();
    robustness();
    directed();
    process_signals();
    cancel();
    barriers();
    exits("/proc/self/exe");
    fork_in_thread();
    sharing();
    lost_words();
    return 0;
}
