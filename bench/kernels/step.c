/* Counts the instructions that a program executes between its two marks (getpriority with an invalid first argument), on its first
 * thread, by single steps: exact, and free of noise. A filter stops the program at the marks, so that it runs at full speed up to the
 * first. Usage: step PROGRAM [ARG...]; prints the count. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK 0x62656e63

static void start(char **argv)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    int null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
        _exit(126);
    execv(argv[0], argv);
    _exit(127);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    pid_t pid = fork();
    if (!pid)
        start(argv + 1);
    int status, marks = 0;
    long steps = 0;
    waitpid(pid, &status, 0);
    ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESECCOMP | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC);
    for (long signal = 0;;) {
        if (ptrace(marks ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, 0, signal) || waitpid(pid, &status, 0) < 0)
            break;
        if (!WIFSTOPPED(status))
            break;
        int event = status >> 16, sig = WSTOPSIG(status);
        signal = 0;
        if (event == PTRACE_EVENT_SECCOMP) {
            if (marks++)
                break;
        } else if (sig == SIGTRAP) {
            steps++;
        } else {
            signal = sig;
        }
    }
    if (marks != 2) {
        fprintf(stderr, "step: the program ended before its second mark (status %#x)\n", status);
        return 1;
    }
    kill(pid, SIGKILL);
    printf("%ld\n", steps);
    return 0;
}
