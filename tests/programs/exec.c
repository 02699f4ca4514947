// Ways to execve, each a case of its own that prints what the new program saw or which error came back. Built for both architectures: the
// native output is the expectation. `list` names the cases; `show` prints what a program was started as.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char self[] = "/bin/prog";

static void show(char **argv)
{
    char exe[PATH_MAX] = "?", comm[32] = "?", line[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n >= 0)
        exe[n] = 0;
    prctl(PR_GET_NAME, comm);
    printf("argv");
    for (char **a = argv; *a; a++)
        printf(" [%s]", *a);
    const char *fn = (const char *)getauxval(AT_EXECFN);
    printf(" execfn %s exe %s comm %s", fn ? fn : "none", exe, comm);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    n = fd < 0 ? 0 : read(fd, line, sizeof line);
    printf(" cmdline");
    for (ssize_t i = 0; i < n; i += (ssize_t)strlen(line + i) + 1)
        printf(" [%s]", line + i);
    close(fd);
    printf(" secure %ld env %s%s\n", getauxval(AT_SECURE), environ[0] ? environ[0] : "-", environ[0] && environ[1] ? " +" : "");
    for (fd = 3; fd < 100; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("descriptor %d is open\n", fd);
    fflush(stdout);
}

static void put(const char *path, int mode, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (write(fd, text, strlen(text)) < 0)
        perror(path);
    fchmod(fd, (mode_t)mode);
    close(fd);
}

static void copy(const char *path, int mode, off_t limit)
{
    int in = open(self, O_RDONLY), out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char buf[65536];
    for (ssize_t n; limit > 0 && (n = read(in, buf, sizeof buf)) > 0; limit -= n)
        if (write(out, buf, (size_t)(n < limit ? n : limit)) < 0)
            perror(path);
    fchmod(out, (mode_t)mode);
    close(in);
    close(out);
}

static const char *name(int e)
{
    const char *n = strerrorname_np(e);
    return n ? n : "none";
}

// Run f in a child and say how it ended; f returns an errno of a failed exec.
static void child(const char *what, int (*f)(void *), void *arg)
{
    printf("%s: ", what);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(30);
        int e = f(arg);
        printf("%s, still myself\n", name(e));
        fflush(stdout);
        _exit(0);
    }
    int st;
    waitpid(pid, &st, 0);
    if (WIFSIGNALED(st))
        printf("killed by %d\n", WTERMSIG(st));
    else if (WEXITSTATUS(st))
        printf("exit %d\n", WEXITSTATUS(st));
    fflush(stdout);
}

struct call {
    const char *path;
    char *const *argv;
};
static int do_exec(void *p)
{
    struct call *c = p;
    execve(c->path, c->argv, environ);
    return errno;
}
static void try(const char *path, ...)
{
    char *argv[20];
    int n = 0;
    va_list ap;
    va_start(ap, path);
    do
        argv[n] = va_arg(ap, char *);
    while (argv[n++]);
    va_end(ap);
    child(path, do_exec, &(struct call){path, argv});
}

static void c_plain(void)
{
    try(self, "weird name", "show", "", "a b", NULL);
    try("/bin/../bin//prog", "x", "show", NULL);
    if (chdir("/bin"))
        return;
    try("prog", "prog", "show", NULL);
    try("./prog", "", "show", NULL);
    try("../bin/./prog", "p", "show", "-h", "--help", "--root", NULL);
}
static void c_symlink(void)
{
    if (symlink("../bin/prog", "/tmp/link") || symlink("link", "/tmp/link2"))
        return;
    try("/tmp/link", "link", "show", NULL);
    try("/tmp/link2", "link2", "show", NULL);
    link(self, "/tmp/a-name-longer-than-fifteen-bytes");
    copy("/tmp/a-copy-name-longer-than-fifteen-bytes", 0755, LONG_MAX);
    try("/tmp/a-copy-name-longer-than-fifteen-bytes", "c", "show", NULL);
}
static int no_args(void *p)
{
    (void)p;
    char *const none[] = {NULL};
    execve("/tmp/showall", none, environ);
    return errno;
}
static void c_no_argv(void)
{
    // The kernel makes it one empty string; main then shows.
    copy("/tmp/showall", 0755, LONG_MAX);
    child("no argv", no_args, NULL);
}
static int null_args(void *p)
{
    syscall(SYS_execve, "/tmp/showall", NULL, NULL);
    (void)p;
    return errno;
}
static void c_null_argv(void)
{
    copy("/tmp/showall", 0755, LONG_MAX);
    child("null argv and envp", null_args, NULL);
}

static int at(void *p)
{
    int kind = *(int *)p, fd;
    char *const argv[] = {"at", "show", NULL};
    switch (kind) {
    case 0: fd = open("/bin", O_RDONLY | O_DIRECTORY | O_CLOEXEC); syscall(SYS_execveat, fd, "prog", argv, environ, 0); break;
    case 1: fd = open(self, O_RDONLY | O_CLOEXEC); syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); break;
    case 2: fd = open(self, O_PATH); syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); break;
    case 3: fd = open(self, O_RDONLY | O_CLOEXEC); fexecve(fd, argv, environ); break;
    case 4: fd = open("/tmp/script", O_RDONLY); syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); break;
    case 5: fd = open("/tmp/script", O_RDONLY | O_CLOEXEC); syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); break;
    case 6: fd = open("/tmp", O_RDONLY | O_DIRECTORY); syscall(SYS_execveat, fd, "script", argv, environ, 0); break;
    case 7: syscall(SYS_execveat, AT_FDCWD, "/tmp/slink", argv, environ, AT_SYMLINK_NOFOLLOW); break;
    case 8: syscall(SYS_execveat, AT_FDCWD, "", argv, environ, 0); break;
    case 9: syscall(SYS_execveat, 99, "", argv, environ, AT_EMPTY_PATH); break;
    case 10: syscall(SYS_execveat, 99, "prog", argv, environ, 0); break;
    case 11: fd = open(self, O_RDONLY); syscall(SYS_execveat, fd, "prog", argv, environ, 0); break;
    case 12: fd = open(self, O_RDONLY); syscall(SYS_execveat, fd, "", argv, environ, 0x40000000); break;
    case 13: fd = open("/bin", O_RDONLY); syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); break;
    case 14: fd = open("/dev/null", O_RDONLY); syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH); break;
    case 15: syscall(SYS_execveat, 99, "/bin/prog", argv, environ, 0); break;
    case 16: fd = open("/bin", O_RDONLY | O_CLOEXEC); fchdir(fd); syscall(SYS_execveat, AT_FDCWD, "prog", argv, environ, AT_SYMLINK_NOFOLLOW); break;
    case 17: fd = open(self, O_RDONLY); char path[40]; sprintf(path, "/proc/self/fd/%d", fd); execve(path, argv, environ); break;
    }
    return errno;
}
static void c_execveat(void)
{
    put("/tmp/script", 0755, "#!/bin/prog show arg\n");
    if (symlink("script", "/tmp/slink"))
        return;
    for (int i = 0; i <= 17; i++) {
        char what[20];
        sprintf(what, "%d", i);
        child(what, at, &i);
    }
}
static int mem(void *p)
{
    int seal = *(int *)p, fd = memfd_create("made up", MFD_CLOEXEC | MFD_ALLOW_SEALING), in = open(self, O_RDONLY | O_CLOEXEC);
    struct stat st;
    fstat(in, &st);
    for (off_t off = 0; off < st.st_size;) {
        char buf[65536];
        ssize_t n = pread(in, buf, sizeof buf, off);
        if (n <= 0 || write(fd, buf, (size_t)n) != n)
            return errno;
        off += n;
    }
    if (seal)
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
    char *const argv[] = {"mem", "show", NULL};
    fexecve(fd, argv, environ);
    return errno;
}
static void c_memfd(void)
{
    for (int i = 0; i < 2; i++)
        child(i ? "sealed memfd" : "memfd", mem, &i);
}

static void c_scripts(void)
{
    put("/tmp/s1", 0755, "#!/bin/prog show\n");
    try("/tmp/s1", "argv0 is lost", "a", "b c", "", NULL);
    char text[200], path[20];
    for (int i = 2; i <= 7; i++) {
        sprintf(text, "#!/tmp/s%d level%d\n", i - 1, i);
        sprintf(path, "/tmp/s%d", i);
        put(path, 0755, text);
        try(path, "x", "arg", NULL);
    }
    if (chdir("/tmp"))
        return;
    try("s1", "x", "relative", NULL);
    try("./s1", "x", NULL);
    put("r", 0755, "#!../bin/prog show\n");
    try("r", "x", NULL);
    put("rr", 0755, "#!r\n");
    try("./rr", "x", NULL);
    if (symlink("s1", "ls1"))
        return;
    try("ls1", "x", NULL);
}
static void c_script_lines(void)
{
    static const char *const lines[] = {
        "#!/bin/prog", "#! /bin/prog show\n", "#!\t/bin/prog  show \t \n", "#!/bin/prog show two words \t\n", "#!/bin/prog show\r\n", "#!\n", "#! \t\n", "#", "#!",
        "", "\n", "echo hi\n", "#!/no/such\n", "#!/no/such", "#!/tmp\n", "#!/tmp/plain\n", "#!/tmp/noexec\n", "#!prog\n", "#!/bin/prog\\ show\n", "#!/bin/prog/x\n",
        "#!/tmp/self\n", "#!/tmp/loop1\n", "#!/bin/prog show #comment\n", "#!/bin/prog\0show\n", "\x7f""ELF", "\x7f""ELFx\n"};
    put("/tmp/plain", 0755, "plain text\n");
    put("/tmp/noexec", 0644, "#!/bin/prog show\n");
    put("/tmp/loop1", 0755, "#!/tmp/loop2\n");
    put("/tmp/loop2", 0755, "#!/tmp/loop1\n");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        printf("%zu ", i);
        put("/tmp/self", 0755, lines[i]);
        try("/tmp/self", "x", "show", NULL);
    }
    char buf[5000];
    for (int len = 250; len < 262; len++) {
        memset(buf, 0, sizeof buf);
        strcpy(buf, "#!/bin/prog show ");
        memset(buf + strlen(buf), 'a', (size_t)len - strlen(buf));
        printf("%d ", len);
        put("/tmp/long", 0755, buf);
        try("/tmp/long", "x", NULL);
        memset(buf, 0, sizeof buf);
        strcpy(buf, "#!/");
        memset(buf + 3, 'b', (size_t)len - 3);
        put("/tmp/long", 0755, buf);
        try("/tmp/long", "x", NULL);
    }
}
static int too_big(void *p)
{
    size_t n = *(size_t *)p;
    char *big = malloc(n + 1);
    memset(big, 'x', n);
    big[n] = 0;
    char *const argv[] = {"x", "count", big, NULL};
    execve(self, argv, environ);
    return errno;
}
static int many(void *p)
{
    size_t n = *(size_t *)p;
    char **argv = calloc(n + 3, sizeof *argv);
    for (size_t i = 0; i < n + 2; i++)
        argv[i] = "abcdefghijklmnopqrstuvwxyz01234";
    argv[1] = "count";
    execve(self, argv, environ);
    return errno;
}
static int fault(void *p)
{
    int k = *(int *)p;
    char *bad = (char *)8;
    char *const argv[] = {"x", bad, NULL};
    switch (k) {
    case 0: syscall(SYS_execve, bad, argv, NULL); break;
    case 1: syscall(SYS_execve, self, bad, NULL); break;
    case 2: syscall(SYS_execve, self, argv, NULL); break;
    case 3: syscall(SYS_execve, self, NULL, bad); break;
    case 4: syscall(SYS_execve, "", NULL, NULL); break;
    case 5: syscall(SYS_execve, NULL, NULL, NULL); break;
    }
    return errno;
}
static void c_errors(void)
{
    char path[PATH_MAX + 300];
    put("/tmp/file", 0644, "x");
    put("/tmp/text", 0755, "text\n");
    put("/tmp/empty", 0755, "");
    copy("/tmp/noexec", 0644, LONG_MAX);
    copy("/tmp/unreadable", 0111, LONG_MAX);
    for (int n = 1; n < 100; n += n < 8 ? 3 : 14) {
        copy("/tmp/short", 0755, n);
        printf("%d bytes ", n);
        try("/tmp/short", "x", NULL);
    }
    if (symlink("loop", "/tmp/loop") || symlink("nowhere", "/tmp/dangling"))
        return;
    static const char *const paths[] = {"/no/such", "/bin/prog/x", "/bin/prog/", "/tmp", "/tmp/", "/", ".", "", "/tmp/file", "/tmp/text", "/tmp/empty", "/tmp/noexec",
        "/tmp/loop", "/tmp/dangling", "/dev/null", "/proc/self/mem", "/proc/self/exe"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        try(paths[i], "x", "show", NULL);
    memset(path, 'a', 300), path[0] = '/', path[300] = 0;
    child("long name", do_exec, &(struct call){path, (char *[]){"x", NULL}});
    memset(path, '/', sizeof path), path[PATH_MAX + 10] = 0;
    child("long path", do_exec, &(struct call){path, (char *[]){"x", NULL}});
    for (int i = 0; i < 6; i++)
        child("fault", fault, &i);
    for (size_t n = 131070; n < 131074; n++)
        child("argument's size", too_big, &n);
    child("many arguments", many, (size_t[]){20000});
    child("too many arguments", many, (size_t[]){200000});
    copy("/tmp/busy", 0755, LONG_MAX);
    int fd = open("/tmp/busy", O_WRONLY);
    try("/tmp/busy", "x", "show", NULL);
    close(fd);
    try("/tmp/busy", "x", "show", NULL);
}
static void c_rights(void)
{
    if (setgid(1000) || setuid(1000))
        printf("cannot be a user\n");
    static const char *const paths[] = {"/tmp/dir/prog", "/tmp/unreadable", "/tmp/noexec", "/tmp/script", "/tmp/uscript"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        try(paths[i], "x", "show", NULL);
}
static int rights(void *p)
{
    (void)p;
    c_rights();
    _exit(0);
}
static void c_permissions(void)
{
    mkdir("/tmp/dir", 0700);
    copy("/tmp/dir/prog", 0755, LONG_MAX);
    copy("/tmp/unreadable", 0711, LONG_MAX);
    copy("/tmp/noexec", 0644, LONG_MAX);
    put("/tmp/script", 0755, "#!/bin/prog show\n");
    put("/tmp/uscript", 0711, "#!/bin/prog show\n");
    child("as a user", rights, NULL);
}

static int inherit(void *p)
{
    (void)p;
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGUSR2), sigaddset(&set, SIGRTMIN + 3);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN), signal(SIGUSR1, (void (*)(int))rights);
    raise(SIGUSR2);
    int fd = open("/etc", O_RDONLY), cl = open("/etc", O_RDONLY | O_CLOEXEC);
    dup2(fd, 50), dup3(cl, 51, O_CLOEXEC);
    close(fd), close(cl);
    umask(027), nice(3);
    struct rlimit r = {100, 200};
    setrlimit(RLIMIT_NOFILE, &r);
    prctl(PR_SET_NAME, "renamed"), prctl(PR_SET_PDEATHSIG, SIGUSR1), prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    char *const env[] = {"Z=last", "DUP=1", "DUP=2", "noequals", "", "EMPTY=", NULL};
    execve(self, (char *[]){"x", "state", NULL}, env);
    return errno;
}
static void state(void)
{
    sigset_t blocked, pending;
    sigprocmask(SIG_BLOCK, NULL, &blocked), sigpending(&pending);
    for (int s = 1; s < 65; s++) {
        struct sigaction sa;
        if (s == 32 || s == 33)
            continue;
        sigaction(s, NULL, &sa);
        if (sa.sa_handler != SIG_DFL || sigismember(&blocked, s) == 1 || sigismember(&pending, s) == 1)
            printf(" signal %d %s%s%s", s, sa.sa_handler == SIG_IGN ? "ignored" : sa.sa_handler == SIG_DFL ? "default" : "handled",
                   sigismember(&blocked, s) ? " blocked" : "", sigismember(&pending, s) ? " pending" : "");
    }
    for (int fd = 3; fd < 90; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf(" open %d", fd);
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    char comm[32];
    int death;
    prctl(PR_GET_NAME, comm), prctl(PR_GET_PDEATHSIG, &death);
    printf(" umask %o nice %d limit %ld/%ld comm %s death %d nnp %d\n", umask(0), getpriority(PRIO_PROCESS, 0), (long)r.rlim_cur, (long)r.rlim_max, comm, death,
           prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    for (char **e = environ; *e; e++)
        printf(" <%s>", *e);
    printf("\n");
}
static void c_inherited(void)
{
    child("inherited", inherit, NULL);
}

static void *from_thread(void *p)
{
    (void)p;
    execve(self, (char *[]){"x", "ids", NULL}, environ);
    printf("%s\n", name(errno));
    return NULL;
}
static void *spin(void *p)
{
    for (;;)
        pause();
    return p;
}
static char pid_text[20];
static int threaded(void *p)
{
    (void)p;
    sprintf(pid_text, "%d", getpid());
    setenv("PID", pid_text, 1);
    pthread_t t;
    for (int i = 0; i < 5; i++)
        pthread_create(&t, NULL, spin, NULL);
    pthread_create(&t, NULL, from_thread, NULL);
    pthread_join(t, NULL);
    return 0;
}
static void c_from_thread(void)
{
    child("from a thread", threaded, NULL);
}

static void c_spawn(void)
{
    pid_t pid;
    char *argv[] = {"spawned", "show", NULL};
    static const char *const paths[] = {"/bin/prog", "/no/such", "/tmp", "/tmp/text"};
    put("/tmp/text", 0755, "text\n");
    for (size_t i = 0; i < 4; i++) {
        int st = 0, e = posix_spawn(&pid, paths[i], NULL, NULL, argv, environ);
        if (e == 0)
            waitpid(pid, &st, 0);
        printf("posix_spawn %s: %s %d\n", paths[i], name(e), e ? 0 : st);
        fflush(stdout);
        volatile int shared = 0;
        pid = vfork();
        if (pid == 0) {
            shared = 1;
            execve(paths[i], argv, environ);
            shared = errno;
            _exit(7);
        }
        waitpid(pid, &st, 0);
        printf("vfork %s: shared %d status %d\n", paths[i], shared, st);
    }
    put("/tmp/shell", 0755, "#!/bin/prog show by name\n");
    setenv("PATH", "/nowhere:/tmp:/bin", 1);
    int e = posix_spawnp(&pid, "shell", NULL, NULL, argv, environ);
    if (e == 0)
        waitpid(pid, NULL, 0);
    printf("posix_spawnp: %s\n", name(e));
}

static int nest(void *p)
{
    char n[20];
    sprintf(n, "%d", *(int *)p);
    execve(self, (char *[]){"nest", "nest", n, NULL}, environ);
    return errno;
}
static void c_nested(void)
{
    child("a hundred programs in a row", nest, (int[]){100});
}
static void c_proc_self_exe(void)
{
    if (chdir("/tmp"))
        return;
    try("/proc/self/exe", "exe", "show", NULL);
    char path[60];
    copy("/tmp/gone", 0755, LONG_MAX);
    int fd = open("/tmp/gone", O_RDONLY | O_CLOEXEC);
    unlink("/tmp/gone");
    sprintf(path, "/proc/self/fd/%d", fd);
    child("deleted", do_exec, &(struct call){path, (char *[]){"gone", "show", NULL}});
}

#define CASE(n) {#n, c_##n}
static const struct {
    const char *name;
    void (*f)(void);
} cases[] = {CASE(plain), CASE(symlink), CASE(no_argv), CASE(null_argv), CASE(execveat), CASE(memfd), CASE(scripts), CASE(script_lines), CASE(errors), CASE(permissions),
    CASE(inherited), CASE(from_thread), CASE(spawn), CASE(nested), CASE(proc_self_exe)};

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "show";
    if (!strcmp(what, "list")) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            puts(cases[i].name);
    } else if (!strncmp(what, "show", 4)) {
        show(argv);
    } else if (!strcmp(what, "count")) {
        size_t n = 0;
        for (char **a = argv; *a; a++)
            n += strlen(*a);
        printf("%d arguments of %zu bytes\n", argc, n);
    } else if (!strcmp(what, "state")) {
        state();
    } else if (!strcmp(what, "ids")) {
        const char *pid = getenv("PID");
        printf("same pid %d, leader %d\n", pid && atoi(pid) == getpid(), gettid() == getpid());
    } else if (!strcmp(what, "nest")) {
        int n = atoi(argv[2]) - 1;
        if (n > 0)
            return nest(&n);
        show(argv);
    } else {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            if (!strcmp(what, cases[i].name)) {
                cases[i].f();
                return 0;
            }
        show(argv);
    }
    return 0;
}
