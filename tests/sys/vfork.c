// vfork and posix_spawn: the child lives in its parent's memory until it executes or ends. The output must be the same natively and
// under the runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define say(...) (printf(__VA_ARGS__), fflush(stdout))

extern char **environ;
static char *self = "/proc/self/exe";
static volatile int shared;

static int wait_for(pid_t pid) {
    int st = -1;
    if (waitpid(pid, &st, 0) != pid) return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}

static void basics(void) {
    pid_t parent = getpid();
    pid_t pid = vfork();
    if (!pid) {
        shared = getppid() == parent && getpid() != parent ? 5 : 6;
        usleep(20000);
        shared++;
        _exit(9);
    }
    // The parent slept meanwhile.
    say("vfork: shared %d", shared);
    say(" exit %d\n", wait_for(pid));
    pid = vfork();
    if (!pid) {
        execl(self, "vfork", "7", NULL);
        _exit(99);
    }
    say("exec: %d\n", wait_for(pid));
    shared = 0;
    pid = vfork();
    if (!pid) {
        execl("/nonexistent", "x", NULL);
        shared = errno;
        _exit(1);
    }
    say("failed exec: %d errno %d\n", wait_for(pid), shared == ENOENT);
    pid = vfork();
    if (!pid) *(volatile int *)8 = 1;
    say("fault: %d\n", wait_for(pid));
    pid = vfork();
    if (!pid) kill(getpid(), SIGTERM), pause();
    say("killed: %d\n", wait_for(pid));
}

// The child's dispositions and mask are its own.
static volatile int hits;
static void hit(int sig) {
    (void)sig;
    hits++;
}
static void signals(void) {
    sigset_t s, now;
    signal(SIGUSR1, hit);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2);
    sigprocmask(SIG_BLOCK, &s, NULL);
    pid_t pid = vfork();
    if (!pid) {
        sigprocmask(SIG_BLOCK, NULL, &now);
        shared = sigismember(&now, SIGUSR2);
        kill(getpid(), SIGUSR1);
        signal(SIGUSR1, SIG_IGN);
        sigemptyset(&now);
        sigprocmask(SIG_SETMASK, &now, NULL);
        _exit(0);
    }
    wait_for(pid);
    sigprocmask(SIG_BLOCK, NULL, &now);
    say("child: mask %d hits %d; parent: blocked %d", shared, hits, sigismember(&now, SIGUSR2));
    kill(getpid(), SIGUSR1);
    say(" hits %d\n", hits);
    // A signal for the sleeping parent waits for its waking.
    hits = 0;
    pid = vfork();
    if (!pid) {
        kill(getppid(), SIGUSR1);
        usleep(10000);
        shared = hits;
        _exit(0);
    }
    say("asleep: %d awake: %d\n", shared, hits);
    wait_for(pid);
    sigprocmask(SIG_UNBLOCK, &s, NULL);
}

static void spawns(void) {
    posix_spawn_file_actions_t f;
    posix_spawnattr_t a;
    sigset_t s;
    pid_t pid;
    int p[2];
    char buf[64] = "";
    char *argv[] = {"vfork", "say", "spawned", NULL}, *status[] = {"vfork", "8", NULL}, *mask[] = {"vfork", "mask", NULL};
    if (pipe(p)) return;
    posix_spawn_file_actions_init(&f);
    posix_spawn_file_actions_adddup2(&f, p[1], 1);
    posix_spawn_file_actions_addclose(&f, p[0]);
    int r = posix_spawn(&pid, self, &f, NULL, argv, environ);
    close(p[1]);
    int n = read(p[0], buf, sizeof buf - 1);
    say("posix_spawn: %d exit %d said %.*s\n", r, wait_for(pid), n > 0 ? n : 0, buf);
    close(p[0]);
    say("missing: %d\n", posix_spawn(&pid, "/nonexistent", NULL, NULL, argv, environ) == ENOENT);
    say("no permission: %d\n", posix_spawn(&pid, "/etc/passwd", NULL, NULL, argv, environ) == EACCES);
    r = posix_spawnp(&pid, "true", NULL, NULL, (char *[]){"true", NULL}, environ);
    say("native: %d exit %d\n", r, wait_for(pid));
    posix_spawnattr_init(&a);
    sigemptyset(&s);
    sigaddset(&s, SIGHUP);
    sigaddset(&s, SIGSEGV);
    posix_spawnattr_setsigmask(&a, &s);
    sigemptyset(&s);
    sigaddset(&s, SIGINT);
    posix_spawnattr_setsigdefault(&a, &s);
    posix_spawnattr_setflags(&a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGSEGV, SIG_IGN);
    r = posix_spawn(&pid, self, NULL, &a, mask, environ);
    say("attributes: %d exit %d\n", r, wait_for(pid));
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    int bad = 0;
    for (int i = 0; i < 50; i++) bad += posix_spawn(&pid, self, NULL, NULL, status, environ) || wait_for(pid) != 8;
    say("50 spawns: bad %d\n", bad);
    r = system("exit 6");
    say("system: %d\n", WEXITSTATUS(r));
    FILE *in = popen("echo from a shell", "r");
    if (in && fgets(buf, sizeof buf, in)) say("popen: %s", buf);
    say("pclose: %d\n", pclose(in));
}

static volatile int stop;
static void *churn(void *arg) {
    (void)arg;
    for (unsigned n = 1; !stop; n = n * 1103515245 + 12345) free(malloc(n >> 20));
    return NULL;
}
static void *spawner(void *arg) {
    char *status[] = {"vfork", "3", NULL};
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        if (posix_spawn(&pid, self, NULL, NULL, status, environ) || wait_for(pid) != 3) ++*(int *)arg;
    }
    return NULL;
}
static void busy(void) {
    pthread_t t[4];
    int bad[2] = {0, 0};
    pthread_create(&t[0], NULL, churn, NULL);
    pthread_create(&t[1], NULL, churn, NULL);
    pthread_create(&t[2], NULL, spawner, &bad[0]);
    pthread_create(&t[3], NULL, spawner, &bad[1]);
    pthread_join(t[2], NULL), pthread_join(t[3], NULL);
    stop = 1;
    pthread_join(t[0], NULL), pthread_join(t[1], NULL);
    say("spawn beside threads: bad %d\n", bad[0] + bad[1]);
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "say")) return printf("%s", argv[2]) < 0;
    if (argc > 1 && !strcmp(argv[1], "mask")) {
        sigset_t s;
        struct sigaction i, q, v;
        sigprocmask(SIG_BLOCK, NULL, &s);
        sigaction(SIGINT, NULL, &i), sigaction(SIGQUIT, NULL, &q), sigaction(SIGSEGV, NULL, &v);
        return sigismember(&s, SIGHUP) + 2 * sigismember(&s, SIGSEGV) + 4 * sigismember(&s, SIGINT) + 8 * (i.sa_handler == SIG_IGN) +
            16 * (q.sa_handler == SIG_IGN) + 32 * (v.sa_handler == SIG_IGN) + 64 * (getpgrp() == getpid());
    }
    if (argc > 1) return atoi(argv[1]);
    alarm(100);
    basics();
    signals();
    spawns();
    busy();
    return 0;
}
