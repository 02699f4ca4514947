// Signals as a program sees them. The output must be the same natively and under the runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
#define say(...) (printf(__VA_ARGS__), fflush(stdout))

// Not static: raise() is declared not to come back into this file.
volatile sig_atomic_t hits;
siginfo_t last;
static sigjmp_buf jump;

static int set(int sig, void (*f)(int, siginfo_t *, void *), int flags, const sigset_t *mask) {
    struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
    if (mask) a.sa_mask = *mask;
    return sigaction(sig, &a, NULL);
}
static void plain(int sig, void (*f)(int), int flags) {
    struct sigaction a = {.sa_handler = f, .sa_flags = flags};
    sigaction(sig, &a, NULL);
}
static sigset_t of(int a, int b) {
    sigset_t s;
    sigemptyset(&s);
    if (a) sigaddset(&s, a);
    if (b) sigaddset(&s, b);
    return s;
}
static void note(int sig, siginfo_t *i, void *c) {
    (void)sig, (void)c;
    hits++;
    last = *i;
}

static void info(void) {
    set(SIGUSR1, note, 0, NULL);
    kill(getpid(), SIGUSR1);
    say("kill: hits %d code %d self %d\n", hits, last.si_code, last.si_pid == getpid());
    raise(SIGUSR1);
    say("raise: hits %d code %d\n", hits, last.si_code);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 77});
    say("sigqueue: hits %d code %d value %d uid %d\n", hits, last.si_code, last.si_value.sival_int, last.si_uid == getuid());
}

int order[64], n_order;
static void record(int sig, siginfo_t *i, void *c) {
    (void)c;
    order[n_order++] = (sig - SIGRTMIN) * 100 + i->si_value.sival_int;
}
static void queue(void) {
    sigset_t s = of(SIGRTMIN + 1, SIGRTMIN + 3), all;
    sigfillset(&all);
    set(SIGRTMIN + 1, record, 0, &all);
    set(SIGRTMIN + 3, record, 0, &all);
    sigprocmask(SIG_BLOCK, &s, NULL);
    for (int i = 0; i < 4; i++) {
        sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i});
        sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
    }
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    say("queue:");
    for (int i = 0; i < n_order; i++) say(" %d", order[i]);
    say("\n");
}

volatile int depth, deepest;
static void nest(int sig, siginfo_t *i, void *c) {
    (void)i, (void)c;
    if (++depth > deepest) deepest = depth;
    if (depth < 3) raise(sig);
    depth--;
}
static void show_mask(int sig, siginfo_t *i, void *c) {
    (void)i;
    sigset_t now, before = ((ucontext_t *)c)->uc_sigmask;
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("in handler %d: usr1 %d usr2 %d term %d; before: usr1 %d usr2 %d term %d\n", sig, sigismember(&now, SIGUSR1),
        sigismember(&now, SIGUSR2), sigismember(&now, SIGTERM), sigismember(&before, SIGUSR1), sigismember(&before, SIGUSR2),
        sigismember(&before, SIGTERM));
}
static void change_mask(int sig, siginfo_t *i, void *c) {
    (void)sig, (void)i;
    sigaddset(&((ucontext_t *)c)->uc_sigmask, SIGHUP);
}
static void masks(void) {
    sigset_t usr2 = of(SIGUSR2, 0), term = of(SIGTERM, 0), now;
    set(SIGUSR1, show_mask, 0, &usr2);
    raise(SIGUSR1);
    set(SIGUSR1, show_mask, SA_NODEFER, NULL);
    sigprocmask(SIG_BLOCK, &term, NULL);
    raise(SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    set(SIGUSR1, nest, SA_NODEFER, NULL);
    raise(SIGUSR1);
    say("nodefer: deepest %d\n", deepest);
    deepest = 0;
    set(SIGUSR1, nest, 0, NULL);
    depth = 2;
    raise(SIGUSR1);
    depth = 0;
    set(SIGUSR1, change_mask, 0, NULL);
    raise(SIGUSR1);
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("mask from ucontext: hup %d\n", sigismember(&now, SIGHUP));
    now = of(0, 0);
    sigprocmask(SIG_SETMASK, &now, NULL);
    sigfillset(&now);
    sigprocmask(SIG_SETMASK, &now, NULL);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("full: kill %d stop %d segv %d 63 %d\n", sigismember(&now, SIGKILL), sigismember(&now, SIGSTOP), sigismember(&now, SIGSEGV),
        sigismember(&now, 63));
    now = of(0, 0);
    sigprocmask(SIG_SETMASK, &now, NULL);
    int r = sigprocmask(7, &now, NULL);
    say("bad how: %d %d\n", r, errno == EINVAL);
}

static void fails(const char *what, long r) {
    int e = r == -1 ? errno : 0;
    say("%s: %ld %d\n", what, r, e);
}

static void actions(void) {
    struct sigaction a, b;
    memset(&a, 0, sizeof a);
    a.sa_handler = SIG_IGN;
    a.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    sigaddset(&a.sa_mask, SIGINT);
    sigaddset(&a.sa_mask, SIGKILL);
    sigaction(SIGURG, &a, NULL);
    sigaction(SIGURG, NULL, &b);
    say("readback: ign %d restart %d nocldstop %d int %d kill %d\n", b.sa_handler == SIG_IGN, !!(b.sa_flags & SA_RESTART),
        !!(b.sa_flags & SA_NOCLDSTOP), sigismember(&b.sa_mask, SIGINT), sigismember(&b.sa_mask, SIGKILL));
    fails("kill", sigaction(SIGKILL, &a, NULL));
    fails("stop", sigaction(SIGSTOP, &a, NULL));
    fails("kill, only read", sigaction(SIGKILL, NULL, &b));
    fails("65", syscall(SYS_rt_sigaction, 65, NULL, NULL, 8));
    fails("size", syscall(SYS_rt_sigaction, 1, NULL, NULL, 4));
    fails("address", syscall(SYS_rt_sigaction, 10, 1L, NULL, 8));
    plain(SIGUSR2, (void (*)(int))(void *)note, SA_RESETHAND);
    sigaction(SIGUSR2, NULL, &b);
    say("resethand: before %d", b.sa_handler == (void (*)(int))(void *)note);
    set(SIGUSR2, note, SA_RESETHAND, NULL);
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &b);
    say(" after default %d\n", b.sa_handler == SIG_DFL);
}

static void suspend(void) {
    sigset_t usr1 = of(SIGUSR1, 0), none = of(0, 0), now;
    hits = 0;
    set(SIGUSR1, note, SA_RESTART, NULL);
    sigprocmask(SIG_BLOCK, &usr1, NULL);
    raise(SIGUSR1);
    sigset_t pending;
    sigpending(&pending);
    say("pending: %d hits %d\n", sigismember(&pending, SIGUSR1), hits);
    int r = sigsuspend(&none);
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("sigsuspend: %d %d hits %d still blocked %d\n", r, errno == EINTR, hits, sigismember(&now, SIGUSR1));
    raise(SIGUSR1);
    siginfo_t i;
    r = sigwaitinfo(&usr1, &i);
    say("sigwaitinfo: %d code %d hits %d\n", r == SIGUSR1, i.si_code, hits);
    struct timespec t = {0, 1000000};
    r = sigtimedwait(&usr1, &i, &t);
    say("sigtimedwait: %d %d\n", r, errno == EAGAIN);
    t.tv_nsec = -1;
    r = sigtimedwait(&usr1, &i, &t);
    say("sigtimedwait: %d %d\n", r, errno == EINVAL);
    raise(SIGUSR1);
    int fd = signalfd(-1, &usr1, 0);
    struct signalfd_siginfo si;
    r = read(fd, &si, sizeof si);
    say("signalfd: %d signo %d code %d\n", r == sizeof si, si.ssi_signo == SIGUSR1, si.ssi_code);
    close(fd);
    raise(SIGUSR1);
    struct pollfd none_fd = {-1, 0, 0};
    r = ppoll(&none_fd, 1, NULL, &none);
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("ppoll: %d %d hits %d still blocked %d\n", r, errno == EINTR, hits, sigismember(&now, SIGUSR1));
    sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static int pipes[2];
static void feed(int sig, siginfo_t *i, void *c) {
    (void)i, (void)c, (void)sig;
    if (++hits == 3) (void)!write(pipes[1], "x", 1);
}
static void restart(void) {
    char c = 0;
    struct itimerval t = {{0, 5000}, {0, 5000}}, off = {{0, 0}, {0, 0}};
    if (pipe(pipes)) return;
    hits = 0;
    set(SIGALRM, feed, SA_RESTART, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
    int r = read(pipes[0], &c, 1);
    setitimer(ITIMER_REAL, &off, NULL);
    say("restarted read: %d %c hits %d\n", r, c, hits >= 3);
    hits = 0;
    set(SIGALRM, feed, 0, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
    r = read(pipes[0], &c, 1);
    setitimer(ITIMER_REAL, &off, NULL);
    say("interrupted read: %d %d\n", r, errno == EINTR);
    hits = 0;
    set(SIGALRM, feed, SA_RESTART, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
    struct timespec long_time = {5, 0}, rest = {0, 0};
    r = nanosleep(&long_time, &rest);
    setitimer(ITIMER_REAL, &off, NULL);
    say("nanosleep: %d %d rest %d\n", r, errno == EINTR, rest.tv_sec >= 3);
    // A pending signal that is ignored interrupts nothing.
    signal(SIGALRM, SIG_IGN);
    setitimer(ITIMER_REAL, &t, NULL);
    struct timespec short_time = {0, 30000000};
    r = nanosleep(&short_time, NULL);
    setitimer(ITIMER_REAL, &off, NULL);
    say("ignored: %d\n", r);
}

static char *page;
static void on_fault(int sig, siginfo_t *i, void *c) {
    (void)c;
    last = *i;
    siglongjmp(jump, sig);
}
static void repair(int sig, siginfo_t *i, void *c) {
    (void)sig, (void)c, (void)i;
    hits++;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}
static void try(const char *what, volatile char *at, int write) {
    int sig = sigsetjmp(jump, 1);
    if (!sig) {
        if (write) *at = 1;
        else (void)*at;
        say("%s: no fault\n", what);
        return;
    }
    say("%s: signal %d code %d addr %d\n", what, sig, last.si_code, last.si_addr == at);
}
static void faults(void) {
    page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(page + 4096, 4096, PROT_READ);
    munmap(page + 8192, 4096);
    set(SIGSEGV, on_fault, 0, NULL);
    set(SIGBUS, on_fault, 0, NULL);
    try("null", (char *)16, 0);
    try("read-only read", page + 4100, 0);
    try("read-only write", page + 4100, 1);
    try("unmapped", page + 8200, 1);
    mprotect(page, 4096, PROT_NONE);
    try("none", page + 8, 0);
    char name[] = "/tmp/rf-signals-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (ftruncate(fd, 100)) return;
    char *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    try("in file", file + 50, 1);
    try("behind file", file + 4096 + 8, 0);
    close(fd);
    int sig = sigsetjmp(jump, 1);
    if (!sig) ((void (*)(void))page)();
    say("exec of data: signal %d code %d addr %d\n", sig, last.si_code, last.si_addr == page);
    hits = 0;
    set(SIGSEGV, repair, 0, NULL);
    page[5] = 7;
    say("repaired: %d hits %d\n", page[5], hits);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
}

// A fault signal that somebody sends is a signal like any other.
static void sent(void) {
    sigset_t s = of(SIGSEGV, SIGTRAP), pending;
    set(SIGSEGV, note, 0, NULL);
    set(SIGTRAP, note, 0, NULL);
    hits = 0;
    kill(getpid(), SIGSEGV);
    say("sent segv: hits %d code %d\n", hits, last.si_code);
    sigprocmask(SIG_BLOCK, &s, NULL);
    kill(getpid(), SIGSEGV);
    kill(getpid(), SIGTRAP);
    sigpending(&pending);
    say("blocked: hits %d pending segv %d trap %d\n", hits, sigismember(&pending, SIGSEGV), sigismember(&pending, SIGTRAP));
    siginfo_t i;
    sigset_t one = of(SIGTRAP, 0);
    struct timespec t = {0, 0};
    say("waited for: %d\n", sigtimedwait(&one, &i, &t) == SIGTRAP);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    say("unblocked: hits %d signo %d\n", hits, last.si_signo);
    signal(SIGSEGV, SIG_IGN);
    kill(getpid(), SIGSEGV);
    say("ignored\n");
    signal(SIGSEGV, SIG_DFL);
    signal(SIGTRAP, SIG_DFL);
}

static char alternate[65536];
static void where(int sig, siginfo_t *i, void *c) {
    (void)i, (void)c;
    char here;
    stack_t s;
    sigaltstack(NULL, &s);
    say("handler %d: on alternate %d flags %x\n", sig, &here > alternate && &here < alternate + sizeof alternate, s.ss_flags);
    stack_t other = {.ss_flags = SS_DISABLE};
    int r = sigaltstack(&other, NULL);
    say("change inside: %d %d\n", r, r ? errno == EPERM : 0);
}
static void overflowed(int sig, siginfo_t *i, void *c) {
    (void)i, (void)c;
    siglongjmp(jump, sig);
}
static int recurse(int n) {
    volatile char big[4096];
    big[n % 4096] = 1;
    return recurse(n + 1) + big[0];
}
static void stacks(void) {
    stack_t s = {.ss_sp = alternate, .ss_size = sizeof alternate}, old;
    fails("too small", sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 1000}, NULL));
    fails("bad flags", sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = 65536, .ss_flags = 64}, NULL));
    sigaltstack(&s, &old);
    say("was: %x\n", old.ss_flags);
    set(SIGUSR1, where, SA_ONSTACK, NULL);
    raise(SIGUSR1);
    set(SIGUSR1, where, 0, NULL);
    raise(SIGUSR1);
    sigaltstack(&s, NULL);
    s.ss_flags = SS_AUTODISARM;
    sigaltstack(&s, NULL);
    set(SIGUSR1, where, SA_ONSTACK, NULL);
    raise(SIGUSR1);
    sigaltstack(NULL, &old);
    say("after: %x\n", old.ss_flags);
    s.ss_flags = 0;
    sigaltstack(&s, NULL);
    set(SIGSEGV, overflowed, SA_ONSTACK, NULL);
    int sig = sigsetjmp(jump, 1);
    if (!sig) recurse(0);
    say("stack overflow: %d\n", sig);
    signal(SIGSEGV, SIG_DFL);
}

static void status(const char *what, void (*f)(void)) {
    int st;
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        f();
        _exit(99);
    }
    waitpid(pid, &st, 0);
    if (WIFSIGNALED(st)) say("%s: signal %d core %d\n", what, WTERMSIG(st), WCOREDUMP(st));
    else say("%s: exit %d\n", what, WEXITSTATUS(st));
}
static void die_segv(void) { *(volatile int *)8 = 1; }
static void die_blocked(void) {
    sigset_t s = of(SIGSEGV, 0);
    set(SIGSEGV, note, 0, NULL);
    sigprocmask(SIG_BLOCK, &s, NULL);
    *(volatile int *)8 = 1;
}
static void die_ignored(void) {
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)8 = 1;
}
static void die_abort(void) { abort(); }
static void die_term(void) { raise(SIGTERM); }
static void die_quit(void) { raise(SIGQUIT); }
static void die_xcpu(void) { raise(SIGXCPU); }
static void die_kill(void) { kill(getpid(), SIGKILL); }
static void die_rt(void) { raise(SIGRTMIN + 5); }
static void die_pipe(void) {
    int p[2];
    if (pipe(p)) return;
    close(p[0]);
    (void)!write(p[1], "x", 1);
}
static void die_alarm(void) {
    signal(SIGALRM, SIG_DFL);
    ualarm(1000, 0);
    for (;;) pause();
}
static void die_spin(void) {
    signal(SIGALRM, SIG_DFL);
    ualarm(1000, 0);
    for (volatile long i = 0;; i++) {}
}
static void bad_stack(void) {
    set(SIGUSR1, note, SA_ONSTACK, NULL);
    stack_t s = {.ss_sp = (void *)0x1000, .ss_size = 65536};
    sigaltstack(&s, NULL);
    raise(SIGUSR1);
}
static void winch(void) { raise(SIGWINCH), raise(SIGCHLD), raise(SIGCONT), raise(SIGURG); }
static void deaths(void) {
    status("segv", die_segv);
    status("segv blocked", die_blocked);
    status("segv ignored", die_ignored);
    status("abort", die_abort);
    status("term", die_term);
    status("quit", die_quit);
    status("xcpu", die_xcpu);
    status("kill", die_kill);
    status("real-time", die_rt);
    status("pipe", die_pipe);
    status("alarm", die_alarm);
    status("alarm in a loop", die_spin);
    status("no stack for the frame", bad_stack);
    status("ignored by default", winch);
}

static void jobs(void) {
    int st, go[2];
    char c;
    if (pipe(go)) return;
    pid_t pid = fork();
    if (!pid) {
        raise(SIGSTOP);
        (void)!read(go[0], &c, 1);
        raise(SIGSTOP);
        _exit(5);
    }
    waitpid(pid, &st, WUNTRACED);
    say("stopped %d by %d\n", WIFSTOPPED(st), WSTOPSIG(st));
    kill(pid, SIGCONT);
    waitpid(pid, &st, WCONTINUED);
    say("continued %d\n", WIFCONTINUED(st));
    (void)!write(go[1], "x", 1);
    waitpid(pid, &st, WUNTRACED);
    say("stopped %d by %d\n", WIFSTOPPED(st), WSTOPSIG(st));
    siginfo_t i;
    kill(pid, SIGCONT);
    waitid(P_PID, pid, &i, WEXITED);
    say("exited: code %d status %d\n", i.si_code, i.si_status);
    hits = 0;
    set(SIGCHLD, note, SA_NOCLDSTOP | SA_RESTART, NULL);
    pid = fork();
    if (!pid) _exit(7);
    while (!hits) usleep(1000);
    say("sigchld: code %d status %d pid %d\n", last.si_code, last.si_status, last.si_pid == pid);
    waitpid(pid, &st, 0);
    signal(SIGCHLD, SIG_IGN);
    pid = fork();
    if (!pid) _exit(7);
    int r = waitpid(pid, &st, 0);
    say("auto-reaped: %d %d\n", r, errno == ECHILD);
    set(SIGCHLD, note, SA_NOCLDWAIT, NULL);
    pid = fork();
    if (!pid) _exit(7);
    do r = waitpid(pid, &st, 0);
    while (r == -1 && errno == EINTR);
    say("nocldwait: %d %d\n", r, errno == ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

// A computation must not notice the handlers that interrupt it.
static volatile double sink;
static void disturb(int sig, siginfo_t *i, void *c) {
    (void)sig, (void)i, (void)c;
    hits++;
    double x = 1;
    for (int k = 0; k < 20; k++) x = x * 1.5 + k;
    sink = x;
}
static uint64_t compute(int rounds, double *out) {
    uint64_t h = 14695981039346656037u;
    double d = 1;
    for (int i = 0; i < rounds; i++) {
        h = (h ^ (uint64_t)i) * 1099511628211u;
        if (h & 1) h = (h >> 7) | (h << 57);
        d = d * 1.0000001 + (double)(h & 15) * 1e-9;
    }
    *out = d;
    return h;
}
static void preserved(void) {
    double a, b;
    uint64_t quiet = compute(3000000, &a);
    struct itimerval t = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
    hits = 0;
    set(SIGALRM, disturb, SA_RESTART, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
    uint64_t disturbed = compute(3000000, &b);
    int again = 0;
    while (hits < 20 && again++ < 100) {
        disturbed = compute(3000000, &b);
    }
    setitimer(ITIMER_REAL, &off, NULL);
    say("preserved: %d %d disturbed %d\n", quiet == disturbed, a == b, hits >= 20);
}

int main(void) {
    alarm(60);
    info();
    queue();
    masks();
    actions();
    suspend();
    restart();
    faults();
    sent();
    stacks();
    deaths();
    jobs();
    preserved();
    return 0;
}
