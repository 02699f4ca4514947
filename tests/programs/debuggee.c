// What tests/gdb.sh looks at. With "exec" it executes itself once more, with "fork" it forks first.
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

int watched, answer = 6;
double number = 1.5;
volatile int stop_waiting, working;
static volatile sig_atomic_t signals;

NOINLINE int leaf(int a) { return a * 7; }
NOINLINE int middle(int a) { int b = leaf(a) + 1; return b - 1; }
NOINLINE double half(double d) { return d / 2; }
NOINLINE void change(int to) { watched = to; }
static void handler(int sig) { signals += sig; }
NOINLINE void work(int n) { __asm__ volatile("" ::"r"(n)); }
static void *thread(void *arg)
{
    work((int)(long)arg);
    working = (int)(long)arg;
    while (!stop_waiting) usleep(1000);
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t t[2];
    signal(SIGUSR1, handler);
    if (argc > 1 && !strcmp(argv[1], "fork")) {
        pid_t p = fork();
        if (!p) { printf("child %d\n", middle(1)); fflush(stdout); _exit(0); }
        waitpid(p, 0, 0);
    }
    if (argc > 1 && !strcmp(argv[1], "exec")) execl(argv[0], argv[0], "again", (char *)0);
    if (argc > 1 && !strcmp(argv[1], "sleep")) { read(0, argv[1], 1); }
    // All are closed; then there are three, and the folder's own.
    if (argc > 1 && !strcmp(argv[1], "descriptors")) {
        DIR *d;
        int n = 0;
        for (int fd = 3; fd < 4096; fd++) close(fd);
        close_range(3, ~0u, 0);
        d = opendir("/proc/self/fd");
        for (struct dirent *e; (e = readdir(d));) n += e->d_name[0] != '.';
        closedir(d);
        printf("descriptors %d\n", n);
    }
    if (argc > 1 && !strcmp(argv[1], "crash")) *(volatile int *)8 = 1;
    printf("answer %d\n", middle(answer));
    printf("half %g\n", half(number));
    change(1);
    change(2);
    raise(SIGUSR1);
    printf("signals %d\n", (int)signals);
    for (long i = 0; i < 2; i++) {
        pthread_create(&t[i], 0, thread, (void *)(i + 1));
        while (working <= i) usleep(1000);
    }
    stop_waiting = 1;
    for (int i = 0; i < 2; i++) pthread_join(t[i], 0);
    printf("watched %d\n", watched);
    return 42;
}
