// guest: x86_64
// The calls that amd64 has from the time before there were newer ones with flags and folders, each by its number, with success and with errors; what is
// gone from Linux, and what a kernel refuses; the vsyscall page.
#include "sys.h"
#include <asm/prctl.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <ucontext.h>
#include <utime.h>

#define S(name, ...) syscall(SYS_##name, ##__VA_ARGS__)

static void files(void) {
  struct stat s;
  char buffer[64];
  int fd;
  OK(fd = S(creat, "f", 0666)), R(S(write, fd, "hello", 5)), R(S(read, fd, buffer, 1)), R(close(fd));
  R(S(creat, ".", 0666)), R(S(creat, BAD, 0666)), R(S(creat, "none/f", 0666));
  OK(fd = S(open, "f", O_RDWR | O_APPEND | O_CLOEXEC, 0)), R(S(read, fd, buffer, 64)), R(fcntl(fd, F_GETFD)), IS(fcntl(fd, F_GETFL) == (O_RDWR | O_APPEND | 0100000)), R(close(fd));
  R(S(open, "none", O_RDONLY, 0)), R(S(open, "f", O_RDONLY | O_DIRECTORY, 0)), R(S(open, BAD, O_RDONLY, 0)), R(S(open, "f", O_CREAT | O_EXCL | O_WRONLY, 0600));
  R(S(symlink, "f", "link")), R(S(symlink, "f", "link")), R(S(symlink, "", "x")), R(S(open, "link", O_RDONLY | O_NOFOLLOW, 0));
  R(S(stat, "link", &s)), printf("%o %ld %ld %ld\n", s.st_mode, (long)s.st_size, (long)s.st_nlink, (long)s.st_blksize);
  R(S(lstat, "link", &s)), printf("%o %ld\n", s.st_mode, (long)s.st_size);
  R(S(stat, "none", &s)), R(S(stat, "f", BAD)), R(S(stat, BAD, &s)), R(S(lstat, "f/f", &s)), R(S(stat, "", &s));
  memset(buffer, 'x', sizeof buffer);
  R(S(readlink, "link", buffer, 64)), printf("%.3s\n", buffer), R(S(readlink, "f", buffer, 64)), R(S(readlink, "link", buffer, 0)), R(S(readlink, "none", buffer, 1)), R(S(readlink, "link", BAD, 4));
  R(S(link, "f", "hard")), R(S(link, "f", "hard")), R(S(link, "none", "x")), R(S(link, "link", "linked")), R(S(lstat, "linked", &s)), printf("%o\n", s.st_mode & S_IFMT);
  R(S(rename, "hard", "renamed")), R(S(rename, "none", "x")), R(S(rename, "f", "renamed")), R(S(stat, "f", &s));
  R(S(mkdir, "d", 0777)), R(S(mkdir, "d", 0777)), R(S(mkdir, "none/d", 0777)), R(S(rename, "d", "d/e")), R(S(unlink, "d")), R(S(rmdir, "f")), R(S(rmdir, "none")), R(S(rmdir, "d")), R(S(rmdir, "."));
  R(S(access, "f", R_OK | W_OK)), R(S(access, "f", X_OK)), R(S(access, "none", F_OK)), R(S(access, "f", 99)), R(S(access, BAD, F_OK));
  R(S(chmod, "f", 04751)), R(S(stat, "f", &s)), printf("%o\n", s.st_mode), R(S(chmod, "none", 0)), R(S(chmod, "link", 0600)), R(S(chmod, BAD, 0));
  R(S(chown, "f", -1, -1)), R(S(chown, "none", -1, -1)), R(S(lchown, "link", getuid(), getgid())), R(S(lchown, "none", -1, -1)), R(S(chown, "link", getuid(), -1));
  R(S(mknod, "fifo", S_IFIFO | 0666, 0)), R(S(lstat, "fifo", &s)), printf("%o\n", s.st_mode), R(S(mknod, "fifo", S_IFIFO, 0)), R(S(mknod, "x", S_IFDIR, 0)), R(S(mknod, "plain", 0600, 0)), R(S(mknod, BAD, S_IFREG, 0));
  R(S(unlink, "fifo")), R(S(unlink, "plain")), R(S(unlink, "none")), R(S(unlink, BAD)), R(S(unlink, "")), R(S(unlink, "linked")), R(S(unlink, "link"));
}

static void times_of(const char *f) {
  struct stat s;
  stat(f, &s);
  printf("  %ld.%09ld %ld.%09ld\n", s.st_atim.tv_sec, s.st_atim.tv_nsec, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
}

static void file_times(void) {
  struct utimbuf u = {1000, 2000};
  struct timeval t[2] = {{3000, 5}, {4000, 999999}}, wrong[2] = {{1, 1000000}, {1, 0}}, negative[2] = {{1, -1}, {1, 0}}, omit[2] = {{1, (1l << 30) - 2}, {1, (1l << 30) - 1}};
  put("t", "");
  R(S(utime, "t", &u)), times_of("t"), R(S(utime, "none", &u)), R(S(utime, "t", BAD)), R(S(utime, BAD, &u)), R(S(utime, "t", NULL));
  R(S(utimes, "t", t)), times_of("t"), R(S(utimes, "t", wrong)), R(S(utimes, "t", negative)), R(S(utimes, "t", omit)), R(S(utimes, "none", t)), R(S(utimes, "t", BAD)), R(S(utimes, "t", NULL));
  t[0].tv_sec = 7;
  R(S(futimesat, AT_FDCWD, "t", t)), times_of("t"), R(S(futimesat, -1, "t", t)), R(S(futimesat, AT_FDCWD, "t", NULL)), R(S(futimesat, AT_FDCWD, "t", wrong));
  int fd = open("t", O_RDONLY);
  t[0].tv_sec = 8;
  R(S(futimesat, fd, NULL, t)), times_of("t"), R(S(futimesat, AT_FDCWD, NULL, t)), close(fd);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// struct linux_dirent: inode, offset, length, name, and at the record's end the type.
static void folders(void) {
  static char buffer[4096];
  char *names[64];
  struct stat s;
  int n = 0, good = 0;
  R(S(mkdir, "g", 0700)), R(S(symlink, "x", "g/l")), R(S(mkdir, "g/dir", 0700)), R(S(mknod, "g/fifo", S_IFIFO | 0600, 0));
  for (int i = 0; i < 40; i++) {
    char name[80];
    sprintf(name, "g/%.*s%d", i, "a-long-name-of-a-file-with-many-letters-in-it", i), put(name, "");
  }
  int fd = open("g", O_RDONLY | O_DIRECTORY);
  long len, rounds = 0;
  while ((len = S(getdents, fd, buffer, 500)) > 0 && ++rounds)
    for (long at = 0; at < len;) {
      uint64_t ino;
      uint16_t reclen;
      memcpy(&ino, buffer + at, 8), memcpy(&reclen, buffer + at + 16, 2);
      char *name = buffer + at + 18, type = buffer[at + reclen - 1], full[300];
      sprintf(full, "g/%s", name);
      good += !strcmp(name, "..") || (!lstat(full, &s) && s.st_ino == ino && (type == 0 || type == (char)((s.st_mode & S_IFMT) >> 12)));
      if (name[0] != '.') names[n++] = strdup(name);
      at += reclen;
    }
  qsort(names, n, sizeof *names, by_name);
  printf("%ld %d entries, %d good, several rounds: %d; %s %s\n", len, n, good, rounds > 2, names[0], names[n - 1]);
  R(S(getdents, fd, buffer, 500)), lseek(fd, 0, SEEK_SET), R(S(getdents, fd, buffer, 3)), R(S(getdents, fd, BAD, 500)), R(S(getdents, -1, buffer, 500)), R(S(getdents, 1000000, buffer, 500));
  close(fd), fd = open("t", O_RDONLY), R(S(getdents, fd, buffer, 500)), close(fd);
}

static void descriptors(void) {
  int p[2], fd, e, x;
  R(S(pipe, p)), R(write(p[1], "abc", 3)), R(fcntl(p[0], F_GETFD)), R(S(pipe, BAD));
  R(S(dup2, p[0], 50)), R(S(dup2, 50, 50)), R(S(dup2, -1, 50)), R(S(dup2, 60, 60)), R(S(dup2, 50, -1)), R(S(dup2, 50, 1 << 30)), R(fcntl(50, F_GETFD)), R(close(50));
  OK(e = S(epoll_create, 1)), R(fcntl(e, F_GETFD)), R(S(epoll_create, 0)), R(S(epoll_create, -1));
  // The structure is packed.
  struct { uint32_t events; uint64_t data; } __attribute__((packed)) in = {EPOLLIN, 0x1122334455667788}, out[3] = {};
  R(S(epoll_ctl, e, EPOLL_CTL_ADD, p[0], &in)), R(S(epoll_wait, e, out, 3, 0)), printf("%x %lx\n", out[0].events, (long)out[0].data), R(S(epoll_wait, e, out, 0, 0)), R(S(epoll_wait, e, BAD, 3, 0)), R(S(epoll_wait, p[0], out, 3, 0)), R(S(epoll_wait, -1, out, 3, 0));
  R(read(p[0], out, 3)), R(S(epoll_wait, e, out, 3, 10)), close(e);
  struct pollfd f[3] = {{p[0], POLLIN}, {p[1], POLLOUT}, {99, POLLIN}};
  R(S(poll, f, 3, 0)), printf("%x %x %x\n", f[0].revents, f[1].revents, f[2].revents), R(S(poll, f, 1, 10)), R(S(poll, BAD, 1, 0)), R(S(poll, f, 1 << 24, 0)), R(S(poll, NULL, 0, 1));
  fd_set r, w;
  FD_ZERO(&r); FD_ZERO(&w); FD_SET(p[0], &r); FD_SET(p[1], &w);
  struct timeval t = {5, 0}, none = {0, 0}, bad = {-1, 0}, carried = {0, 5000};
  R(S(select, p[1] + 1, &r, &w, NULL, &t)), printf("%d %d left: %d\n", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w), t.tv_sec == 4);
  FD_SET(p[0], &r); R(S(select, p[0] + 1, &r, NULL, NULL, &carried)), printf("%ld %ld\n", carried.tv_sec, carried.tv_usec);
  R(S(select, 0, NULL, NULL, NULL, &none)), R(S(select, 0, NULL, NULL, NULL, &bad)), R(S(select, -1, NULL, NULL, NULL, &none)), R(S(select, 8, BAD, NULL, NULL, &none)), R(S(select, 1, NULL, NULL, NULL, BAD));
  // Below 64: what lies beyond the table of descriptors, which grows with what a process inherits, the kernel ignores.
  FD_SET(59, &r); R(S(select, 60, &r, NULL, NULL, &none));
  OK(fd = S(eventfd, 7)), R(read(fd, &in.data, 8)), printf("%ld\n", (long)in.data), R(fcntl(fd, F_GETFL)), close(fd);
  uint64_t set = 1ul << (SIGUSR1 - 1), old;
  S(rt_sigprocmask, SIG_BLOCK, &set, &old, 8);
  OK(fd = S(signalfd, -1, &set, 8)), R(S(signalfd, -1, &set, 4)), R(S(signalfd, p[0], &set, 8)), R(S(signalfd, -1, BAD, 8)), IS(S(signalfd, fd, &set, 8) == fd);
  struct { uint32_t signo, rest[31]; } info;
  kill(getpid(), SIGUSR1), R(read(fd, &info, sizeof info)), printf("%u\n", info.signo), close(fd), S(rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
  OK(fd = S(inotify_init)), OK(x = inotify_add_watch(fd, ".", IN_CREATE)), put("made", ""), IS(read(fd, (char[300]){}, 300) > 16), close(fd), close(p[0]), close(p[1]);
}

static volatile sig_atomic_t got;
static void on(int s) { got = s; }

static void tasks(void) {
  struct sigaction a = {.sa_handler = on};
  int status;
  sigaction(SIGALRM, &a, NULL);
  R(S(alarm, 100)), R(S(alarm, 0)), R(S(alarm, 0)), R(S(alarm, 1)), R(S(pause)), R(got), R(S(alarm, 60));
  IS(S(getpgrp) == getpgid(0));
  long t = 1;
  IS(S(time, &t) == t), IS(t > 1700000000), R(S(time, BAD)), IS(S(time, NULL) >= t);
  long p = S(fork);
  if (!p) _exit(5);
  waitpid(p, &status, 0), printf("fork %d\n", WEXITSTATUS(status));
  static volatile int shared = 0;
  p = vfork();
  if (!p) {
    shared = 9;
    _exit(6);
  }
  waitpid(p, &status, 0), printf("vfork %d %d\n", WEXITSTATUS(status), shared);
  struct sched_param sp = {0};
  R(S(sched_setparam, 0, &sp));
  struct rlimit { uint64_t soft, hard; } limit = {50, 60}, now_;
  R(S(setrlimit, 7, &limit)), R(S(getrlimit, 7, &now_)), printf("%lu %lu\n", (long)now_.soft, (long)now_.hard), R(S(getrlimit, 99, &now_)), R(S(setrlimit, 7, BAD));
}

static void machine(void) {
  unsigned long fs = 0, gs = 1;
  R(S(arch_prctl, ARCH_GET_FS, &fs)), IS(fs == (unsigned long)__builtin_thread_pointer()), R(S(arch_prctl, ARCH_GET_FS, BAD)), R(S(arch_prctl, ARCH_GET_GS, &gs)), R(gs);
  static uint64_t words[2] = {0x1234, 0x5678};
  R(S(arch_prctl, ARCH_SET_GS, words));
  asm volatile("mov %%gs:8, %0" : "=r"(gs));
  printf("%lx\n", gs), R(S(arch_prctl, ARCH_GET_GS, &gs)), IS(gs == (unsigned long)words);
  R(S(arch_prctl, ARCH_SET_GS, 0x800000000000)), R(S(arch_prctl, ARCH_SET_FS, -1L)), R(S(arch_prctl, 0x999, 0)), R(S(arch_prctl, ARCH_SET_GS, 0)), R(S(arch_prctl, ARCH_GET_CPUID, 0));
  // A kernel may be without ports.
#define PORTS(call, expected) IS((r = (call)) == -1 ? errno == ENOSYS || errno == expected : r == 0 && expected == 0)
  long r;
  PORTS(S(iopl, 0), 0), PORTS(S(iopl, 4), EINVAL), PORTS(S(ioperm, 0x80, 0, 1), EINVAL), PORTS(S(ioperm, 65535, 2, 1), EINVAL), PORTS(S(ioperm, -1L, 2, 1), EINVAL);
  char buffer[64];
  // struct user_desc is for 32-bit programs; the local descriptor table of a process that has none is empty where there are any.
  r = S(modify_ldt, 0, buffer, sizeof buffer), IS(r == 0 || (r == -1 && errno == ENOSYS));
  // Its errors have 32 bits.
  r = S(modify_ldt, 99, buffer, 16), IS((int)r == -ENOSYS || (r == -1 && errno == ENOSYS));
  R(S(set_thread_area, buffer)), R(S(get_thread_area, buffer)), R(S(_sysctl, buffer)), R(S(create_module, "x", 1)), R(S(get_kernel_syms, NULL)), R(S(query_module, NULL, 0, NULL, 0, NULL));
  R(S(getpmsg, 0, 0, 0, 0, 0)), R(S(putpmsg, 0, 0, 0, 0, 0)), R(S(afs_syscall, 0)), R(S(tuxcall, 0)), R(S(security, 0)), R(S(vserver, 0)), R(S(nfsservctl, 0)), R(S(epoll_ctl_old, 0)), R(S(epoll_wait_old, 0)), R(S(lookup_dcookie, 0L, buffer, 9L)), R(S(uselib, "f"));
  R(syscall(400)), R(syscall(999)), R(syscall(0x40000000 + 39)), R(syscall(-5));
  long types = S(sysfs, 3);
  IS(types > 5), R(S(sysfs, 9)), R(S(sysfs, 1, "nothing")), R(S(sysfs, 1, BAD)), R(S(sysfs, 2, 1000000, buffer)), R(S(sysfs, 2, 0, BAD));
  IS(S(sysfs, 2, 1, buffer) == 0 && S(sysfs, 1, buffer) == 1);
  struct stat s;
  struct { int free; unsigned long inodes; char name[12]; } u;
  stat("/proc", &s), R(S(ustat, (unsigned)s.st_dev, &u)), R(S(ustat, 0xfffff, &u)), R(S(ustat, (unsigned)s.st_dev, BAD));
}

// What programs from before the vDSO call. A kernel may be without the page (vsyscall=none) and has nothing to say then. Elsewhere in it the kernel
// takes calls for mistaken ones, and tells no address.
static sigjmp_buf back;
static void faulted(int s, siginfo_t *i, void *c) { siglongjmp(back, i->si_code == SI_KERNEL ? 2 : 1); }

static void vsyscalls(void) {
  struct sigaction a = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &a, NULL);
  struct timeval t = {};
  unsigned cpu = -1;
  int r;
  if (sigsetjmp(back, 1)) return;
  r = ((int (*)(struct timeval *, void *))0xffffffffff600000)(&t, NULL);
  long s = ((long (*)(long *))0xffffffffff600400)(NULL), c = ((long (*)(unsigned *, void *, void *))0xffffffffff600800)(&cpu, NULL, NULL);
  IS(r == 0 && t.tv_sec > 1700000000 && s >= t.tv_sec && s <= t.tv_sec + 1 && c == 0 && cpu < 4096);
  if ((r = sigsetjmp(back, 1)) == 0) ((int (*)(void *, void *))0xffffffffff600000)(BAD, NULL);
  printf("a bad address: %d\n", r);
  if ((r = sigsetjmp(back, 1)) == 0) ((void (*)(void))0xffffffffff600c00)();
  printf("elsewhere in the page: %d\n", r);
  if ((r = sigsetjmp(back, 1)) == 0) ((void (*)(void))0xffffffffff600001)();
  printf("between two: %d\n", r);
  if ((r = sigsetjmp(back, 1)) == 0) *(volatile char *)0xffffffffff600000;
  printf("read: %d\n", r);
  static char line[4096], all[65536];
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) strcpy(all, line);
  printf("%s", all), fclose(f);
}

int main(void) {
  enter();
  files(), file_times(), folders(), descriptors(), tasks(), machine(), vsyscalls();
  return 0;
}
