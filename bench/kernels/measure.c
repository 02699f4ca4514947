/* Runs a command COUNT times, one after the other, and prints what it cost:
 *   wall_ns cpu_us max_rss_kb failures status
 * A static program of its own, so that neither an interpreter's start nor its memory is part of the measurement
 * (a child inherits its parent's peak memory at exec). Usage: measure COUNT DIR STDOUT STDERR PROGRAM [ARG...] */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static long long now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int output(const char *path, int target)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : dup2(fd, target);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: measure COUNT DIR STDOUT STDERR PROGRAM [ARG...]\n");
        return 2;
    }
    int report = fcntl(1, F_DUPFD_CLOEXEC, 10);
    int count = atoi(argv[1]), failures = 0, last = 0;
    if (report < 0 || chdir(argv[2]) || output(argv[3], 1) < 0 || output(argv[4], 2) < 0) {
        perror("measure");
        return 2;
    }
    long long cpu = 0, start = now();
    long peak = 0;
    for (int i = 0; i < count; i++) {
        pid_t pid;
        int status = 0, error = posix_spawn(&pid, argv[5], NULL, NULL, argv + 5, environ);
        if (error) {
            fprintf(stderr, "%s: %s\n", argv[5], strerror(error));
            failures++;
            last = 127 << 8;
            break;
        }
        struct rusage use;
        while (wait4(pid, &status, 0, &use) < 0 && errno == EINTR)
            ;
        cpu += (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000LL + use.ru_utime.tv_usec + use.ru_stime.tv_usec;
        if (use.ru_maxrss > peak)
            peak = use.ru_maxrss;
        if (status) {
            failures++;
            last = status;
        }
    }
    dprintf(report, "%lld %lld %ld %d %d\n", now() - start, cpu, peak, failures, last);
    return 0;
}
