// Processes. The output must be the same natively and under the runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define say(...) (printf(__VA_ARGS__), fflush(stdout))

static int wait_for(pid_t pid) {
    int st = -1;
    if (waitpid(pid, &st, 0) != pid) return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
static void fails(const char *what, long r) {
    int e = r == -1 ? errno : 0;
    say("%s: %ld %d\n", what, r, e);
}

static int value = 1;
static void basics(void) {
    int p[2];
    char buf[8] = "";
    if (pipe(p)) return;
    pid_t parent = getpid(), pid = fork();
    if (!pid) {
        value = 2;
        (void)!write(p[1], getppid() == parent && getpid() != parent && syscall(SYS_gettid) == getpid() ? "good" : "bad", 4);
        _exit(value + 40);
    }
    (void)!read(p[0], buf, 4);
    say("fork: %s exit %d value %d\n", buf, wait_for(pid), value);
    close(p[0]), close(p[1]);
    fails("no child", waitpid(pid, NULL, 0));
    fails("bad options", waitpid(-1, NULL, 0x100));
}

static void tree(void) {
    pid_t pid = fork();
    if (!pid) {
        int sum = 0;
        for (int i = 1; i <= 3; i++) {
            pid_t child = fork();
            if (!child) {
                pid_t last = fork();
                if (!last) _exit(i);
                _exit(wait_for(last) * 2);
            }
            sum += wait_for(child);
        }
        _exit(sum);
    }
    say("tree: %d\n", wait_for(pid));
}

static void waits(void) {
    siginfo_t i;
    struct rusage u;
    int st;
    pid_t pid = fork();
    if (!pid) _exit(3);
    memset(&i, 0, sizeof i);
    waitid(P_PID, pid, &i, WEXITED | WNOWAIT);
    say("waitid: pid %d code %d status %d signo %d\n", i.si_pid == pid, i.si_code, i.si_status, i.si_signo == SIGCHLD);
    memset(&u, 0xff, sizeof u);
    wait4(pid, &st, 0, &u);
    say("wait4: %d usage %d\n", WEXITSTATUS(st), u.ru_maxrss > 0 && u.ru_utime.tv_sec == 0);
    pid = fork();
    if (!pid) {
        pause();
        _exit(1);
    }
    int r = waitpid(pid, &st, WNOHANG);
    say("nohang: %d\n", r);
    kill(pid, SIGTERM);
    waitid(P_PID, pid, &i, WEXITED);
    say("killed: code %d status %d\n", i.si_code, i.si_status);
    // Process groups.
    pid = fork();
    if (!pid) {
        setpgid(0, 0);
        _exit(4);
    }
    setpgid(pid, pid);
    r = waitpid(-pid, &st, 0);
    say("group: %d %d\n", r == pid, WEXITSTATUS(st));
}

static volatile int hits;
static void hit(int sig) {
    (void)sig;
    hits++;
}
static void inherited(void) {
    sigset_t s, now;
    signal(SIGUSR1, hit);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    sigaddset(&s, SIGUSR1);
    sigprocmask(SIG_BLOCK, &s, NULL);
    kill(getpid(), SIGUSR1);
    pid_t pid = fork();
    if (!pid) {
        sigpending(&now);
        int r = sigismember(&now, SIGUSR1);
        sigprocmask(SIG_BLOCK, NULL, &now);
        r = r * 2 + sigismember(&now, SIGUSR2);
        sigdelset(&s, SIGUSR2);
        sigprocmask(SIG_UNBLOCK, &s, NULL);
        kill(getpid(), SIGUSR1);
        _exit(r * 10 + hits);
    }
    say("inherited: %d\n", wait_for(pid));
    sigaddset(&s, SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
    say("own: %d\n", hits);
}

static void orphans(void) {
    int p[2], q[2];
    char c = 0;
    if (pipe(p) || pipe(q)) return;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t me = getpid(), pid = fork();
    if (!pid) {
        pid_t parent = getpid();
        if (!fork()) {
            close(p[1]), close(q[0]);
            (void)!read(p[0], &c, 1);
            while (getppid() == parent) usleep(1000);
            (void)!write(q[1], getppid() == me ? "y" : "n", 1);
            _exit(6);
        }
        _exit(5);
    }
    int st, first = wait_for(pid);
    close(p[1]);
    (void)!read(q[0], &c, 1);
    wait(&st);
    say("orphan: %d %c %d\n", first, c, WEXITSTATUS(st));
    close(p[0]), close(q[0]), close(q[1]);
}

struct args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
static long raw_clone(unsigned long flags, void *ptid, void *ctid) {
#ifdef __x86_64__
    return syscall(SYS_clone, flags, 0, ptid, ctid, 0);
#else
    return syscall(SYS_clone, flags, 0, ptid, 0, ctid);
#endif
}
static void clones(void) {
    int ptid = 0, *ctid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), pidfd = -1;
    ctid[1] = 1;
    pid_t pid = raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, &ptid, ctid);
    if (!pid) _exit(*ctid == getpid() ? 1 : 2);
    say("set tids: %d parent %d\n", wait_for(pid), ptid == pid);
    pid = raw_clone(CLONE_PIDFD | SIGCHLD, &pidfd, NULL);
    if (!pid) _exit(11);
    siginfo_t i;
    memset(&i, 0, sizeof i);
    waitid(P_PIDFD, pidfd, &i, WEXITED);
    say("pidfd: %d status %d\n", i.si_pid == pid, i.si_status);
    close(pidfd);
    hits = 0;
    signal(SIGUSR2, hit);
    pid = raw_clone(SIGUSR2, NULL, NULL);
    if (!pid) _exit(12);
    int st = 0;
    waitpid(pid, &st, __WCLONE);
    say("exit signal: %d hits %d\n", WEXITSTATUS(st), hits);
    pid = raw_clone(CLONE_VFORK | SIGCHLD, NULL, NULL);
    if (!pid) {
        value = 9;
        _exit(13);
    }
    say("vfork without memory: %d %d\n", wait_for(pid), value);
    struct args a = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .pidfd = (uintptr_t)&pidfd, .parent_tid = (uintptr_t)&ptid,
        .exit_signal = SIGCHLD};
    pid = syscall(SYS_clone3, &a, sizeof a);
    if (!pid) _exit(14);
    say("clone3: %d parent %d pidfd %d\n", wait_for(pid), ptid == pid, pidfd >= 0);
    close(pidfd);
    signal(SIGUSR1, hit);
    signal(SIGHUP, SIG_IGN);
    a = (struct args){.flags = 0x100000000, .exit_signal = SIGCHLD};
    pid = syscall(SYS_clone3, &a, sizeof a);
    if (!pid) {
        struct sigaction u, h;
        sigaction(SIGUSR1, NULL, &u);
        sigaction(SIGHUP, NULL, &h);
        if (u.sa_handler != SIG_DFL || h.sa_handler != SIG_IGN) _exit(16);
        kill(getpid(), SIGUSR1);
        _exit(17);
    }
    say("clear handlers: %d\n", wait_for(pid));
    signal(SIGHUP, SIG_DFL);
}

static void refused(void) {
    struct args a = {.exit_signal = SIGCHLD};
    fails("thread without sighand", raw_clone(CLONE_THREAD, NULL, NULL));
    fails("sighand without vm", raw_clone(CLONE_SIGHAND, NULL, NULL));
    fails("fs and namespace", raw_clone(CLONE_FS | CLONE_NEWNS, NULL, NULL));
    fails("clone3 short", syscall(SYS_clone3, &a, 32));
    fails("clone3 null", syscall(SYS_clone3, NULL, sizeof a));
    fails("clone3 long", syscall(SYS_clone3, &a, 5000));
    a.exit_signal = 100;
    fails("clone3 signal", syscall(SYS_clone3, &a, sizeof a));
    a = (struct args){.flags = 1};
    fails("clone3 flags", syscall(SYS_clone3, &a, sizeof a));
    a = (struct args){.stack = 4096};
    fails("clone3 stack", syscall(SYS_clone3, &a, sizeof a));
    fails("pidfd_open", syscall(SYS_pidfd_open, 0, 0));
    fails("setns", setns(-1, 0));
    fails("unshare", unshare(0x7));
    fails("unshare nothing", unshare(0));
}

// Memory: private is copied, shared is shared, DONTFORK is gone, WIPEONFORK is zero.
static void memory(void) {
    int *priv = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    priv[0] = 1, priv[1024] = 2, priv[2048] = 3;
    madvise(priv + 1024, 4096, MADV_DONTFORK);
    madvise(priv + 2048, 4096, MADV_WIPEONFORK);
    pid_t pid = fork();
    if (!pid) {
        priv[0] = 5;
        shared[0] = 6;
        shared[1] = priv[2048];
        *(volatile int *)(priv + 1024) = 1;
        _exit(0);
    }
    int r = wait_for(pid);
    say("memory: %d private %d shared %d wiped %d\n", r, priv[0], shared[0], shared[1]);
}

static volatile int stop;
static void *churn(void *arg) {
    (void)arg;
    for (unsigned n = 1; !stop; n = n * 1103515245 + 12345) free(malloc(n >> 20));
    return NULL;
}
// A fork must find the locks of other threads whole.
static void busy(void) {
    pthread_t t[3];
    int bad = 0;
    for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, churn, NULL);
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        if (!pid) {
            free(malloc(100000));
            _exit(21);
        }
        bad += wait_for(pid) != 21;
    }
    stop = 1;
    for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
    say("fork beside threads: bad %d\n", bad);
}

static void many(void) {
    int bad = 0;
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();
        if (!pid) _exit(i & 127);
        bad += wait_for(pid) != (i & 127);
    }
    say("200 forks: bad %d\n", bad);
    // A chain: each child forks the next.
    int depth = 0;
    pid_t pid;
    while (depth < 20 && !(pid = fork())) depth++;
    if (depth == 20) _exit(20);
    int r = wait_for(pid);
    if (depth) _exit(r);
    say("chain: %d\n", r);
}

int main(void) {
    alarm(100);
    basics();
    tree();
    waits();
    inherited();
    orphans();
    clones();
    refused();
    memory();
    busy();
    many();
    return 0;
}
