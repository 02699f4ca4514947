// Start a program and say what came of it: an errno (exit status as a shell's: 127 for a missing file, 126 otherwise), an exit status or a signal.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int i = 1; i < argc; i++) {
        int err[2];
        if (pipe2(err, O_CLOEXEC))
            return 1;
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {argv[i], "argument", NULL}, *env[] = {"A=1", NULL};
            alarm(10);
            execve(argv[i], args, env);
            int e = errno;
            if (write(err[1], &e, sizeof e) < 0)
                return 1;
            _exit(99);
        }
        close(err[1]);
        int st, e = 0;
        ssize_t n = read(err[0], &e, sizeof e);
        close(err[0]);
        waitpid(pid, &st, 0);
        printf("%s: ", argv[i]);
        if (n == sizeof e)
            printf("%d %s\n", e == ENOENT ? 127 : 126, strerror(e));
        else if (WIFEXITED(st))
            printf("exit %d\n", WEXITSTATUS(st));
        else
            printf("signal %d\n", WTERMSIG(st));
        fflush(stdout);
    }
    return 0;
}
