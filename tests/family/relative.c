// A program of a family, and what it does about it: relative WAY [PROGRAM ARGUMENTS…].
// After going the way it says "ready" and waits for a line, if there is no program to execute.
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static void must(int r, const char *what) {
  if (r < 0) {
    printf("%s: %s\n", what, strerror(errno));
    exit(3);
  }
}

static void go(const char *way) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2] = {0};
  struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  struct sock_fprog filter = {1, allow};
  if (!strcmp(way, "setuid")) must(setuid(65534), way);
  else if (!strcmp(way, "setresuid")) must(setresuid(65534, -1, -1), way);
  else if (!strcmp(way, "setgid")) must(setgid(65534), way);
  else if (!strcmp(way, "setgroups")) must(setgroups(0, NULL), way);
  else if (!strcmp(way, "setfsuid")) setfsuid(65534);
  else if (!strcmp(way, "capset")) must(syscall(SYS_capset, &h, d), way);
  else if (!strcmp(way, "bounding")) must(prctl(PR_CAPBSET_DROP, 1, 0, 0, 0), way);
  else if (!strcmp(way, "no_new_privs")) must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), way);
  else if (!strcmp(way, "dumpable")) must(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), way);
  else if (!strcmp(way, "unshare")) must(unshare(CLONE_NEWUTS), way);
  else if (!strcmp(way, "seccomp")) must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter), way);
  else if (strcmp(way, "stay")) exit(4);
}

// What this process can see of a file that isn't its own.
static void look(void) {
  DIR *dir = opendir("/proc/self/fd");
  int listed = 0, files = 0, there = 0;
  char to[256];
  for (struct dirent *e; dir && (e = readdir(dir)); listed++) {
    ssize_t n = readlinkat(dirfd(dir), e->d_name, to, sizeof to - 1);
    to[n < 0 ? 0 : n] = 0;
    files += strstr(to, "memfd:code") != NULL;
  }
  for (int fd = 0; fd < 2000; fd++) there += fcntl(fd, F_GETFD) >= 0;
  char *maps = malloc(1 << 20);
  int in = open("/proc/self/maps", O_RDONLY);
  maps[in < 0 ? 0 : read(in, maps, (1 << 20) - 1)] = 0;
  // It survives this, too.
  must(syscall(SYS_close_range, 3, ~0u, 0), "close_range");
  // "." and ".." are listed.
  printf("%d files, %d hidden, %s\n", files, there + 2 - listed, strstr(maps, "memfd:code") ? "mapped" : "not mapped");
}

#ifdef __aarch64__
extern char load_here[];

// Loads by a pointer, with a register that only the block itself knows.
__attribute__((noinline)) static long load(long *p, long v) {
  long r;
  asm volatile("add x9, %1, #1\n.globl load_here\nload_here: ldr %0, [%2]\nadd %0, %0, x9" : "=r"(r) : "r"(v), "r"(p) : "x9");
  return r;
}

static void on_fault(int sig, siginfo_t *info, void *context) {
  mcontext_t *m = &((ucontext_t *)context)->uc_mcontext;
  puts(m->pc == (unsigned long)load_here && m->regs[9] == 41 && info->si_addr == (void *)16 ? "exact" : "wrong");
  _exit(0);
}

// A fault in code that has been executed before going the way.
static void fault(const char *way) {
  struct sigaction a = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  long good = 2;
  must(sigaction(SIGSEGV, &a, NULL), "sigaction");
  if (load(&good, 3) != 6) puts("wrong sum");
  go(way);
  load((long *)16, 40);
  puts("no fault");
}
#else
static void fault(const char *way) { (void)way; }
#endif

int main(int argc, char **argv) {
  if (argc < 2) return 5;
  setbuf(stdout, NULL);
  if (!strcmp(argv[1], "fault") && argc > 2) {
    fault(argv[2]);
    return 0;
  }
  if (!strcmp(argv[1], "look")) {
    look();
    return 0;
  }
  // In a family from here on.
  if (!fork()) _exit(0);
  wait(NULL);
  if (!strcmp(argv[1], "vfork-setuid")) {
    // The child shares the memory, but not the rights.
    if (!vfork()) {
      go("setuid");
      execv(argv[2], argv + 2);
      _exit(6);
    }
    wait(NULL);
    return 0;
  }
  if (!strcmp(argv[1], "failed-exec")) {
    char *none[] = {"/", NULL};
    execv("/proc/self/exe/none", none);
    execv("/", none);
    argv[1] = "stay";
  }
  go(argv[1]);
  if (argc > 2) {
    int status = 0;
    // The first translates, the second copies and makes images, the third copies these.
    for (int i = 0; i < 3; i++) {
      if (!fork()) {
        execv(argv[2], argv + 2);
        _exit(6);
      }
      wait(&status);
    }
    return WEXITSTATUS(status);
  }
  puts("ready");
  char line[8];
  return !fgets(line, sizeof line, stdin);
}
