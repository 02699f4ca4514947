/* How long it takes from posix_spawn to the first instruction of PROGRAM, which writes the time then (see first.c). Prints the times of COUNT
 * starts in nanoseconds, one a line. Usage: startup COUNT PROGRAM [ARG...] */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    if (argc < 3)
        return fprintf(stderr, "usage: startup COUNT PROGRAM [ARG...]\n"), 2;
    for (int n = atoi(argv[1]); n > 0; n--) {
        int ends[2], status;
        pid_t pid;
        long long first = 0;
        struct timespec t;
        posix_spawn_file_actions_t actions;
        if (pipe(ends))
            return 1;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        clock_gettime(CLOCK_MONOTONIC, &t);
        int error = posix_spawn(&pid, argv[2], &actions, NULL, argv + 2, environ);
        if (error)
            return fprintf(stderr, "%s: %s\n", argv[2], strerror(error)), 1;
        close(ends[1]);
        ssize_t got = read(ends[0], &first, sizeof first);
        close(ends[0]);
        posix_spawn_file_actions_destroy(&actions);
        if (waitpid(pid, &status, 0) < 0 || status || got != sizeof first)
            return fprintf(stderr, "%s failed\n", argv[2]), 1;
        printf("%lld\n", first - (t.tv_sec * 1000000000LL + t.tv_nsec));
    }
    return 0;
}
