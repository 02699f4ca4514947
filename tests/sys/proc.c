// Who and what a process is: ids, limits, scheduling, prctl, personality, and /proc's view of it.
#include "sys.h"
#include <elf.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>

#ifdef __aarch64__
#define MACHINE "aarch64"
#else
#define MACHINE "x86_64"
#endif

static char text[1 << 16];
static long slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -1;
  long n = 0, r;
  while ((r = read(fd, text + n, sizeof text - 1 - n)) > 0) n += r;
  text[n] = 0;
  close(fd);
  return n;
}

static void identity(void) {
  struct utsname u;
  R(uname(&u));
  printf("%s, the right machine: %s\n", u.sysname, !strcmp(u.machine, MACHINE) ? "yes" : "no");
  R(uname(BAD));
  slurp("/proc/sys/kernel/osrelease");
  IS(!strncmp(text, u.release, strlen(u.release)));
  if (slurp("/proc/sys/kernel/arch") > 0) text[strcspn(text, "\n")] = 0;
  else strcpy(text, MACHINE);
  printf("and so says /proc: %s\n", !strcmp(text, MACHINE) ? "yes" : "no");
  IS(getpid() == syscall(SYS_gettid) && getppid() > 0);
  uid_t r, e, s;
  R(getresuid(&r, &e, &s));
  IS(r == getuid() && e == geteuid());
  R(syscall(SYS_getresuid, BAD, &e, &s));
  R(setresuid(-1, -1, -1)), R(setresgid(-1, -1, -1)), R(setreuid(-1, -1));
  R(syscall(SYS_getgroups, -1, NULL));
  R(getpgid(-1)), R(setpgid(-1, 0)), R(getsid(-1));
  IS(getpgid(0) == getpgrp());
  fflush(stdout);
  if (!fork()) {
    R(setpgid(0, 0));
    IS(getpgrp() == getpid());
    R(setsid());
    fflush(stdout), _exit(0);
  }
  wait(NULL);
  if (!fork()) {
    IS(setsid() == getpid());
    fflush(stdout), _exit(0);
  }
  wait(NULL);
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0}, wrong = {1, 0};
  struct __user_cap_data_struct d[2];
  R(syscall(SYS_capget, &h, d));
  R(syscall(SYS_capget, &wrong, d));
  IS(wrong.version == _LINUX_CAPABILITY_VERSION_3);
  R(syscall(SYS_capset, &h, d));
}

static void limits(void) {
  struct rlimit l, m;
  const int each[] = {RLIMIT_STACK, RLIMIT_DATA, RLIMIT_AS, RLIMIT_NOFILE, RLIMIT_CORE};
  for (int i = 0; i < 5; i++) {
    OK(getrlimit(each[i], &l));
    m = l;
    if (l.rlim_cur == RLIM_INFINITY || l.rlim_cur > 1 << 30) m.rlim_cur = 1 << 30;
    else m.rlim_cur = l.rlim_cur / 2;
    R(setrlimit(each[i], &m));
    OK(prlimit(0, each[i], &l, &m)); // back, and what was
    IS(m.rlim_cur != l.rlim_cur || l.rlim_cur == 0);
    OK(prlimit(getpid(), each[i], NULL, &m));
    IS(m.rlim_cur == l.rlim_cur && m.rlim_max == l.rlim_max);
    m.rlim_cur = 10, m.rlim_max = 5;
    R(setrlimit(each[i], &m));
    R(setrlimit(each[i], BAD));
    R(getrlimit(each[i], BAD));
  }
  R(getrlimit(99, &l));
  R(prlimit(-1, RLIMIT_STACK, NULL, &l));
  R(prlimit(0, RLIMIT_AS, BAD, NULL));
  // A tiny stack limit is reported as it was set, and the program lives.
  getrlimit(RLIMIT_STACK, &l);
  m.rlim_cur = 64 << 10, m.rlim_max = l.rlim_max;
  R(setrlimit(RLIMIT_STACK, &m));
  getrlimit(RLIMIT_STACK, &m);
  IS(m.rlim_cur == 64 << 10);
  R(setrlimit(RLIMIT_STACK, &l));
  struct rusage u;
  R(getrusage(RUSAGE_SELF, &u)), R(getrusage(RUSAGE_CHILDREN, &u)), R(getrusage(RUSAGE_THREAD, &u)), R(getrusage(9, &u)), R(getrusage(0, BAD));
  struct sysinfo i;
  R(sysinfo(&i));
  IS(i.totalram * i.mem_unit > 16 << 20 && i.procs > 0);
}

static void scheduling(void) {
  cpu_set_t set, one;
  IS(syscall(SYS_sched_getaffinity, 0, sizeof set, &set) > 0);
  R(syscall(SYS_sched_getaffinity, 0, 3, &set));
  R(sched_getaffinity(0, sizeof set, BAD));
  CPU_ZERO(&one);
  R(sched_setaffinity(0, sizeof one, &one));
  for (int i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET(i, &set)) {
      CPU_SET(i, &one);
      break;
    }
  R(sched_setaffinity(0, sizeof one, &one));
  unsigned cpu = 4711, node;
  R(getcpu(&cpu, &node));
  IS(CPU_ISSET(cpu, &one));
  R(sched_setaffinity(0, sizeof set, &set));
  struct sched_param p = {0};
  R(sched_getscheduler(0)), R(sched_getparam(0, &p)), R(sched_yield());
  R(sched_setscheduler(0, SCHED_BATCH, &p)), R(sched_getscheduler(0)), R(sched_setscheduler(0, SCHED_OTHER, &p));
  p.sched_priority = 5;
  R(sched_setscheduler(0, SCHED_OTHER, &p)), R(sched_setscheduler(0, 99, &p)), R(sched_setparam(0, NULL));
  R(sched_get_priority_max(SCHED_FIFO)), R(sched_get_priority_min(SCHED_FIFO)), R(sched_get_priority_max(77));
  struct timespec t;
  R(sched_rr_get_interval(0, &t)), R(sched_rr_get_interval(-1, &t));
  R(syscall(SYS_getpriority, PRIO_PROCESS, 0)), R(setpriority(PRIO_PROCESS, 0, 3)), R(syscall(SYS_getpriority, PRIO_PROCESS, 0));
  R(getpriority(9, 0)), R(setpriority(PRIO_PROCESS, -5, 3));
  unsigned attr[16] = {0};
  R(syscall(SYS_sched_getattr, 0, attr, 48, 0));
  printf("size %u policy %u nice %d\n", attr[0] >= 48, attr[1], (int)attr[4]);
  R(syscall(SYS_sched_getattr, 0, attr, 3, 0)), R(syscall(SYS_sched_setattr, 0, BAD, 0));
}

static void prctls(void) {
  char name[17] = "";
  R(prctl(PR_SET_NAME, "a name longer than fits"));
  R(prctl(PR_GET_NAME, name));
  printf("%s\n", name);
  slurp("/proc/self/comm");
  fputs(text, stdout);
  R(prctl(PR_SET_NAME, BAD));
  int v = -1;
  R(prctl(PR_SET_PDEATHSIG, SIGUSR1)), R(prctl(PR_GET_PDEATHSIG, &v)), R(prctl(PR_SET_PDEATHSIG, 99)), R(prctl(PR_SET_PDEATHSIG, 0));
  printf("%d\n", v);
  R(prctl(PR_GET_DUMPABLE)), R(prctl(PR_SET_DUMPABLE, 2)), R(prctl(PR_SET_DUMPABLE, 0)), R(prctl(PR_GET_DUMPABLE)), R(prctl(PR_SET_DUMPABLE, 1));
  R(prctl(PR_SET_KEEPCAPS, 1)), R(prctl(PR_GET_KEEPCAPS)), R(prctl(PR_SET_KEEPCAPS, 2)), R(prctl(PR_SET_KEEPCAPS, 0));
  R(prctl(PR_SET_CHILD_SUBREAPER, 1)), R(prctl(PR_GET_CHILD_SUBREAPER, &v)), R(prctl(PR_SET_CHILD_SUBREAPER, 0));
  printf("%d\n", v);
  R(prctl(PR_SET_TIMERSLACK, 4000)), R(prctl(PR_GET_TIMERSLACK));
  R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)), R(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)), R(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
  R(prctl(PR_CAPBSET_READ, 999)), R(prctl(PR_GET_SECUREBITS)), R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, 0, 0, 0));
  R(prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0)), R(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  R(prctl(4711)), R(prctl(PR_GET_SECCOMP)), R(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  fflush(stdout);
  if (!fork()) {
    R(prctl(65, 1, 0, 0, 0)); // PR_SET_MDWE
    R(prctl(66, 0, 0, 0, 0));
    R(prctl(65, 0, 0, 0, 0));
    fflush(stdout), _exit(0);
  }
  wait(NULL);
  int was = personality(-1);
  IS(was != -1);
  IS(personality(was | ADDR_NO_RANDOMIZE) == was);
  IS(personality(-1) == (was | ADDR_NO_RANDOMIZE));
  personality(was);
  char r[8] = {0};
  R(syscall(SYS_getrandom, r, 8, 0)), R(syscall(SYS_getrandom, r, 0, 0)), R(syscall(SYS_getrandom, r, 8, 99)), R(syscall(SYS_getrandom, BAD, 8, 0));
  IS(memcmp(r, "\0\0\0\0\0\0\0", 8));
}

static void by_proc(char **argv) {
  char path[PATH_MAX], real[PATH_MAX];
  long n = readlink("/proc/self/exe", path, sizeof path - 1);
  path[n < 0 ? 0 : n] = 0;
  IS(realpath("/proc/self/exe", real) && !strcmp(path, real));
  IS(strstr(path, "/proc") && !strcmp(strrchr(path, '/'), "/proc"));
  char magic[4] = "";
  int fd = open("/proc/self/exe", O_RDONLY);
  IS(read(fd, magic, 4) == 4 && !memcmp(magic, "\177ELF", 4));
  unsigned short machine = 0;
  pread(fd, &machine, 2, 18);
#ifdef __aarch64__
  printf("our own: %s\n", machine == EM_AARCH64 ? "yes" : "no");
#else
  printf("our own: %s\n", machine == EM_X86_64 ? "yes" : "no");
#endif
  close(fd);
  // Of another process as well: service scripts find theirs by the file that it runs.
  int end[2];
  R(pipe(end));
  pid_t child = fork();
  if (!child) {
    close(end[1]);
    _exit(read(end[0], magic, 1) != 0);
  }
  char link[64], others[PATH_MAX] = "";
  snprintf(link, sizeof link, "/proc/%d/exe", child);
  R(readlink(link, others, sizeof others - 1) > 0 && !strcmp(path, others));
  snprintf(link, sizeof link, "/proc/%d/task/%d/exe", child, child);
  struct stat mine, its;
  IS(stat(path, &mine) == 0 && stat(link, &its) == 0 && mine.st_dev == its.st_dev && mine.st_ino == its.st_ino);
  fd = open(link, O_RDONLY);
  unsigned short others_machine = 0;
  IS(pread(fd, &others_machine, 2, 18) == 2 && others_machine == machine);
  close(fd), close(end[0]), close(end[1]);
  waitpid(child, NULL, 0);
  n = slurp("/proc/self/cmdline");
  IS(n == (long)strlen(argv[0]) + 1 && !strcmp(text, argv[0]));
  n = slurp("/proc/self/environ");
  int found = 0;
  for (char *e = text; e < text + n; e += strlen(e) + 1) found |= !strncmp(e, "PATH=", 5);
  IS(found == (getenv("PATH") != NULL));
  n = slurp("/proc/self/auxv");
  int right = 0;
  for (unsigned long *a = (unsigned long *)text; (char *)a < text + n && *a; a += 2) right += a[1] == getauxval(a[0]);
  IS(right > 10);
  slurp("/proc/self/stat");
  IS(atoi(text) == getpid());
  slurp("/proc/self/status");
  IS(strstr(text, "Name:\t") == text);
  signal(SIGUSR1, SIG_IGN), signal(SIGUSR2, exit), signal(SIGTERM, exit);
  slurp("/proc/self/status");
  char *line = strstr(text, "SigIgn:");
  printf("%.24s\n", line ? line : "");
  line = strstr(text, "SigCgt:");
  printf("%.24s\n", line ? line : "");
  slurp("/proc/cpuinfo");
  int cpus = 0;
  for (char *p = text; (p = strstr(p, "processor\t: ")); p++) cpus++;
  IS(cpus == get_nprocs() || strlen(text) == sizeof text - 1);
  R(open("/proc/self/maps", O_RDONLY | O_DIRECTORY)), R(open("/proc/self/nothing", O_RDONLY)), R(open("/proc/self/maps/x", O_RDONLY));
  fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  IS(fcntl(fd, F_GETFD) == FD_CLOEXEC);
  IS((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
  R(write(fd, "x", 1));
  close(fd);
  int dir = open("/proc/self", O_RDONLY | O_DIRECTORY);
  fd = openat(dir, "cmdline", O_RDONLY);
  IS(read(fd, text, sizeof text) == (long)strlen(argv[0]) + 1);
  // A title over the arguments.
  memset(argv[0], 't', strlen(argv[0]));
  slurp("/proc/self/cmdline");
  IS(text[0] == 't');
}

int main(int argc, char **argv) {
  (void)argc;
  by_proc(argv);
  enter();
  identity(), limits(), scheduling(), prctls();
}
