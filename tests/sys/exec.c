// execve and execveat. The output must be the same natively and under the runtime.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define say(...) (printf(__VA_ARGS__), fflush(stdout))

extern char **environ;
static char self[4096], dir[] = "/tmp/rf-exec-XXXXXX";

static int wait_for(pid_t pid) {
    int st = -1;
    if (waitpid(pid, &st, 0) != pid) return -1;
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
static char *in(const char *name) {
    static char path[8][4200];
    static int n;
    char *p = path[n++ % 8];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}
static void file(const char *name, const char *text, int mode) {
    int fd = open(in(name), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    (void)!write(fd, text, strlen(text));
    fchmod(fd, mode);
    close(fd);
}
static void copy_self(const char *name, int mode) {
    char buf[65536];
    int from = open(self, O_RDONLY), to = open(in(name), O_CREAT | O_TRUNC | O_WRONLY, 0700), n;
    while ((n = read(from, buf, sizeof buf)) > 0) (void)!write(to, buf, n);
    fchmod(to, mode);
    close(from), close(to);
}

// Run a function that executes something in a child; say how it ended.
static void run(const char *what, int (*f)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (!pid) {
        int r = f(), e = errno;
        say("  returned %d errno %d\n", r, r ? e : 0);
        _exit(77);
    }
    int r = wait_for(pid);
    say("%s: %d\n", what, r);
}

static char *show[] = {"zero", "show", "one two", "", NULL};
static int plain(void) { return execve(self, show, (char *[]){"A=b", "C=", NULL}); }
static int no_environment(void) { return execve(self, show, NULL); }
static int no_arguments(void) { return execve(self, NULL, environ); }
static int relative(void) { return chdir(dir) || execve("./copy", show, environ); }
static int through_link(void) { return execve(in("link"), show, environ); }
static int at_directory(void) { return syscall(SYS_execveat, open(dir, O_RDONLY | O_DIRECTORY), "copy", show, environ, 0); }
static int at_descriptor(void) { return syscall(SYS_execveat, open(self, O_RDONLY | O_CLOEXEC), "", show, environ, AT_EMPTY_PATH); }
static int at_path(void) { return syscall(SYS_execveat, open(self, O_PATH | O_CLOEXEC), "", show, environ, AT_EMPTY_PATH); }
static int f_execve(void) { return fexecve(open(self, O_RDONLY), show, environ); }
static int native(void) { return execve("/bin/sh", (char *[]){"sh", "-c", "echo shell $0 $1; exit 12", "a", "b", NULL}, environ); }
static int nofollow(void) { return syscall(SYS_execveat, AT_FDCWD, in("link"), show, environ, AT_SYMLINK_NOFOLLOW); }
static int bad_flags(void) { return syscall(SYS_execveat, AT_FDCWD, self, show, environ, 0x40); }
static int bad_descriptor(void) { return syscall(SYS_execveat, 1234, "x", show, environ, 0); }
static int empty(void) { return execve("", show, environ); }
static int missing(void) { return execve("/nonexistent/x", show, environ); }
static int not_directory(void) { return execve("/etc/passwd/x", show, environ); }
static int directory(void) { return execve("/tmp", show, environ); }
static int no_permission(void) { return execve(in("plain"), show, environ); }
static int device(void) { return execve("/dev/null", show, environ); }
static int text(void) { return execve(in("text"), show, environ); }
static int empty_file(void) { return execve(in("empty"), show, environ); }
static int truncated(void) { return execve(in("truncated"), show, environ); }
static int long_name(void) {
    char name[5000];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = 0;
    return execve(name, show, environ);
}
static int long_component(void) {
    char name[300] = "/tmp/";
    memset(name + 5, 'a', 290);
    name[295] = 0;
    return execve(name, show, environ);
}
static int loop(void) { return execve(in("loop"), show, environ); }
static int bad_path(void) { return syscall(SYS_execve, 8L, show, environ); }
static int bad_argv(void) { return syscall(SYS_execve, self, 8L, environ); }
static int bad_string(void) { return execve(self, (char *[]){"x", (char *)8, NULL}, environ); }
static int big_argument(void) {
    char *big = malloc(200000);
    memset(big, 'x', 199999);
    big[199999] = 0;
    return execve(self, (char *[]){"x", "show", big, NULL}, environ);
}
static int many_arguments(void) {
    static char *v[200000];
    for (int i = 0; i < 199999; i++) v[i] = "0123456789012345678901234567890123456789";
    return execve(self, v, environ);
}
static int large_arguments(void) {
    static char *v[1003], one[1000];
    memset(one, 'y', 999);
    v[0] = "zero", v[1] = "count";
    for (int i = 2; i < 1002; i++) v[i] = one;
    return execve(self, v, environ);
}
static int script(void) { return execve(in("script"), show, environ); }
static int script_argument(void) { return execve(in("script-arg"), show, environ); }
static int script_nested(void) { return execve(in("nested"), show, environ); }
static int script_shell(void) { return execve(in("shell"), show, environ); }
static int script_missing(void) { return execve(in("lost"), show, environ); }
static int script_recursive(void) { return execve(in("circle"), show, environ); }
static int script_descriptor(void) { return syscall(SYS_execveat, open(in("script"), O_RDONLY), "", show, environ, AT_EMPTY_PATH); }
static int script_cloexec(void) {
    return syscall(SYS_execveat, open(in("script"), O_RDONLY | O_CLOEXEC), "", show, environ, AT_EMPTY_PATH);
}
static int script_at(void) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY);
    dup2(fd, 50);
    return syscall(SYS_execveat, 50, "script", show, environ, 0);
}
static int own(void) { return execve("/proc/self/exe", show, environ); }

static void hit(int sig) { (void)sig; }
static int state(void) {
    sigset_t s;
    signal(SIGHUP, SIG_IGN), signal(SIGSEGV, SIG_IGN), signal(SIGQUIT, SIG_IGN), signal(SIGUSR1, hit);
    stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
    sigaltstack(&stack, NULL);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2), sigaddset(&s, SIGTRAP);
    sigprocmask(SIG_SETMASK, &s, NULL);
    raise(SIGUSR2), raise(SIGTRAP);
    int kept = open("/dev/null", O_RDONLY), closed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(kept, 40), dup3(closed, 41, O_CLOEXEC);
    prctl(PR_SET_NAME, "other");
    umask(027);
    setenv("KEPT", "yes", 1);
    return execve(in("copy"), (char *[]){"zero", "state", NULL}, environ);
}
static int show_state(void) {
    sigset_t s, p;
    struct sigaction h, v, q, u;
    stack_t stack;
    char name[16] = "";
    sigprocmask(SIG_BLOCK, NULL, &s);
    sigpending(&p);
    sigaction(SIGHUP, NULL, &h), sigaction(SIGSEGV, NULL, &v), sigaction(SIGQUIT, NULL, &q), sigaction(SIGUSR1, NULL, &u);
    sigaltstack(NULL, &stack);
    prctl(PR_GET_NAME, name);
    say("  mask usr2 %d trap %d int %d; pending usr2 %d trap %d; hup %d segv %d quit %d usr1 %d; altstack %d\n", sigismember(&s, SIGUSR2),
        sigismember(&s, SIGTRAP), sigismember(&s, SIGINT), sigismember(&p, SIGUSR2), sigismember(&p, SIGTRAP), h.sa_handler == SIG_IGN,
        v.sa_handler == SIG_IGN, q.sa_handler == SIG_IGN, u.sa_handler == SIG_DFL, stack.ss_flags == SS_DISABLE);
    say("  fd 40 %d 41 %d; name %s; umask %o; env %s\n", fcntl(40, F_GETFD), fcntl(41, F_GETFD), name, umask(0), getenv("KEPT"));
    return 30;
}
// A failed exec has lost nothing.
static int after_failure(void) {
    sigset_t s;
    struct sigaction a;
    signal(SIGSEGV, SIG_IGN);
    sigemptyset(&s);
    sigaddset(&s, SIGUSR2), sigaddset(&s, SIGBUS);
    sigprocmask(SIG_SETMASK, &s, NULL);
    int before = dup(0);
    close(before);
    int r = execve(in("text"), show, environ) + execve("/nonexistent", show, environ);
    int after = dup(0);
    sigprocmask(SIG_BLOCK, NULL, &s);
    sigaction(SIGSEGV, NULL, &a);
    kill(getpid(), SIGSEGV);
    say("  alive: %d mask %d %d ignored %d descriptors %d\n", r, sigismember(&s, SIGUSR2), sigismember(&s, SIGBUS), a.sa_handler == SIG_IGN,
        before == after);
    _exit(31);
}
static void *idle(void *arg) {
    (void)arg;
    for (;;) pause();
}
static int beside_threads(void) {
    pthread_t t;
    for (int i = 0; i < 4; i++) pthread_create(&t, NULL, idle, NULL);
    return execve(self, (char *[]){"zero", "pid", NULL}, environ);
}
static int busy_text(void) {
    int fd = open(in("copy"), O_WRONLY);
    return execve(in("copy"), show, environ) + 0 * fd;
}
static int chain(void) { return execve(self, (char *[]){"zero", "chain", "20", NULL}, environ); }

static int role(int argc, char **argv) {
    const char *what = argv[1];
    if (!strcmp(what, "show") || argv[0][0] == '/' || argv[0][0] == '.') {
        say("  %d arguments:", argc);
        for (int i = 0; i < argc; i++) {
            char *at = strstr(argv[i], dir);
            if (!strncmp(argv[i], "/tmp/rf-exec-", 13)) at = strchr(argv[i] + 5, '/'), say(" [DIR%s]", at ? at : "");
            else say(" [%s]", strstr(argv[i], "exec.") && argv[i][0] == '/' ? "SELF" : argv[i]);
        }
        if (environ[0] && environ[0][0] == 'A') say("; %s %s", environ[0], environ[1]);
        say(environ[0] ? "\n" : "; no environment\n");
        return 20 + argc;
    }
    if (!strcmp(what, "count")) return argc == 1002 && strlen(argv[1001]) == 999 ? 21 : 22;
    if (!strcmp(what, "state")) return show_state();
    if (!strcmp(what, "pid")) return getpid() == syscall(SYS_gettid) ? 23 : 24;
    if (!strcmp(what, "chain")) {
        char left[8];
        int n = atoi(argv[2]);
        if (!n) return 25;
        snprintf(left, sizeof left, "%d", n - 1);
        execve("/proc/self/exe", (char *[]){"zero", "chain", left, NULL}, environ);
        return 26;
    }
    return 99;
}

static void prepare(void) {
    char text[5000];
    readlink("/proc/self/exe", self, sizeof self - 1);
    if (!mkdtemp(dir)) exit(1);
    copy_self("copy", 0755);
    file("plain", "x", 0644), file("text", "just text\n", 0755), file("empty", "", 0755), file("truncated", "\177ELF", 0755);
    symlink(in("copy"), in("link")), symlink(in("loop"), in("loop"));
    snprintf(text, sizeof text, "#!%s\n", in("copy"));
    file("script", text, 0755);
    snprintf(text, sizeof text, "#! %s \t show  and more \nx", in("copy"));
    file("script-arg", text, 0755);
    snprintf(text, sizeof text, "#!%s -n\n", in("script-arg"));
    file("nested", text, 0755);
    file("shell", "#!/bin/sh\necho \"  shell: $1 $2\"\nexit 41\n", 0755);
    file("lost", "#!/nonexistent/interpreter\n", 0755);
    snprintf(text, sizeof text, "#!%s\n", in("circle"));
    file("circle", text, 0755);
}

int main(int argc, char **argv) {
    if (argc == 0) return 18;
    if (argc == 1 && argv[0][0] == 0) return 19;
    if (argc > 1) return role(argc, argv);
    alarm(100);
    prepare();
    run("plain", plain), run("no environment", no_environment), run("no arguments", no_arguments);
    run("relative", relative), run("link", through_link), run("directory descriptor", at_directory);
    run("descriptor", at_descriptor), run("O_PATH", at_path), run("fexecve", f_execve), run("native", native), run("own", own);
    run("nofollow", nofollow), run("bad flags", bad_flags), run("bad descriptor", bad_descriptor), run("empty", empty);
    run("missing", missing), run("not a directory", not_directory), run("directory", directory), run("permission", no_permission);
    run("device", device), run("text", text), run("empty file", empty_file), run("truncated", truncated);
    run("long name", long_name), run("long component", long_component), run("loop", loop);
    run("bad path", bad_path), run("bad argv", bad_argv), run("bad string", bad_string);
    run("big argument", big_argument), run("many arguments", many_arguments), run("large arguments", large_arguments);
    run("script", script), run("script with argument", script_argument), run("nested script", script_nested);
    run("shell script", script_shell), run("lost interpreter", script_missing), run("circle", script_recursive);
    run("script descriptor", script_descriptor), run("script cloexec", script_cloexec), run("script at", script_at);
    run("state", state), run("after failure", after_failure), run("beside threads", beside_threads), run("busy text", busy_text);
    run("chain", chain);
    char *rm[] = {"rm", "-r", dir, NULL};
    execvp("rm", rm);
    return 1;
}
