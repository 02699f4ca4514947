// Descriptors: duplication, fcntl, locks, close_range, memfd and its seals.
#include "sys.h"
#include <linux/close_range.h>
#include <sys/file.h>
#include <sys/mman.h>

static void duplicates(void) {
  int fd = open("f", O_RDWR | O_CREAT | O_CLOEXEC, 0600), d;
  IS((d = dup(fd)) >= 0 && fcntl(d, F_GETFD) == 0);
  R(dup(-1));
  R(dup3(fd, 50, O_CLOEXEC));
  R(fcntl(50, F_GETFD));
  R(dup3(fd, 51, 0));
  R(fcntl(51, F_GETFD));
  R(syscall(SYS_dup3, fd, fd, 0));
  R(syscall(SYS_dup3, fd, 60, O_NONBLOCK));
  R(syscall(SYS_dup3, fd, -1, 0));
  R(syscall(SYS_dup3, -1, 60, 0));
  R(syscall(SYS_dup3, fd, 0x7fffffff, 0));
  R(fcntl(fd, F_DUPFD, 100));
  R(fcntl(fd, F_DUPFD_CLOEXEC, 100));
  R(fcntl(101, F_GETFD));
  R(fcntl(fd, F_DUPFD, -1));
  R(fcntl(fd, F_DUPFD, 0x7fffffff));
  R(fcntl(50, F_SETFD, 0));
  R(fcntl(50, F_GETFD));
  // One description, one offset, one set of flags.
  R(write(50, "abc", 3));
  R(lseek(51, 0, SEEK_CUR));
  R(fcntl(51, F_SETFL, O_APPEND));
  IS(fcntl(fd, F_GETFL) & O_APPEND);
  R(fcntl(fd, 999));
  R(fcntl(-1, F_GETFL));
  R(close_range(50, 51, 0));
  R(fcntl(50, F_GETFD));
  R(close_range(100, 101, CLOSE_RANGE_CLOEXEC));
  R(fcntl(100, F_GETFD));
  R(close_range(2000, 1999, 0));
  R(close_range(50, 60, 0x100));
  R(close_range(100, ~0u, CLOSE_RANGE_UNSHARE));
  R(fcntl(100, F_GETFD));
}

static long lock(int fd, int cmd, int type, long start, long len) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  return fcntl(fd, cmd, &l);
}

static void ask(int fd, int cmd, long start, long len, pid_t who) {
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
  int r = fcntl(fd, cmd, &l);
  printf("lock: %d type %d start %ld len %ld %s\n", r, l.l_type, (long)l.l_start, (long)l.l_len,
         l.l_type == F_UNLCK ? "free" : l.l_pid == who ? "parent" : l.l_pid == -1 ? "description" : "other");
}

static void locks(void) {
  int fd = open("f", O_RDWR), ro = open("f", O_RDONLY);
  pid_t me = getpid();
  R(lock(fd, F_SETLK, F_WRLCK, 10, 20));
  R(lock(fd, F_SETLK, F_RDLCK, 100, 0));
  R(lock(ro, F_SETLK, F_WRLCK, 0, 1));
  R(lock(fd, F_SETLK, 77, 0, 1));
  R(lock(fd, F_SETLK, F_WRLCK, -1, 1));
  R(syscall(SYS_fcntl, fd, F_SETLK, BAD));
  fflush(stdout);
  if (fork() == 0) {
    ask(fd, F_GETLK, 0, 15, me);
    ask(fd, F_GETLK, 50, 10, me);
    ask(fd, F_GETLK, 5000, 1, me);
    R(lock(fd, F_SETLK, F_WRLCK, 15, 1));
    R(lock(fd, F_SETLK, F_RDLCK, 200, 1));
    fflush(stdout), _exit(0);
  }
  wait(NULL);
  R(lock(fd, F_SETLK, F_UNLCK, 0, 0));
  int a = open("f", O_RDWR), b = open("f", O_RDWR);
  R(lock(a, F_OFD_SETLK, F_WRLCK, 0, 0));
  R(lock(b, F_OFD_SETLK, F_RDLCK, 0, 0));
  ask(b, F_OFD_GETLK, 0, 1, me);
  struct flock pid = {.l_type = F_WRLCK, .l_pid = 5};
  R(fcntl(a, F_OFD_SETLK, &pid));
  close(a);
  R(lock(b, F_OFD_SETLKW, F_RDLCK, 0, 0));
  R(flock(fd, LOCK_EX));
  R(flock(b, LOCK_EX | LOCK_NB));
  R(flock(fd, LOCK_SH));
  R(flock(b, LOCK_SH | LOCK_NB));
  R(flock(fd, LOCK_UN));
  R(flock(fd, 0));
  R(flock(-1, LOCK_SH));
  // A lock that becomes free while another waits for it.
  close(b);
  int p[2];
  pipe(p);
  fflush(stdout);
  if (fork() == 0) {
    R(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    write(p[1], "x", 1);
    nap(100);
    fflush(stdout), _exit(0);
  }
  char c;
  read(p[0], &c, 1);
  R(lock(fd, F_SETLKW, F_WRLCK, 0, 0));
  wait(NULL);
}

static volatile sig_atomic_t got;
static void on(int s) { got = s; }

static void owners(void) {
  int p[2];
  pipe(p);
  struct f_owner_ex o = {F_OWNER_PID, getpid()}, q = {0, 0};
  R(fcntl(p[0], F_SETOWN_EX, &o));
  R(fcntl(p[0], F_GETOWN_EX, &q));
  IS(q.type == F_OWNER_PID && q.pid == getpid());
  IS(fcntl(p[0], F_GETOWN) == getpid());
  R(fcntl(p[0], F_SETOWN, -getpgrp()));
  R(fcntl(p[0], F_GETOWN_EX, &q));
  IS(q.type == F_OWNER_PGRP && q.pid == getpgrp());
  R(fcntl(p[0], F_SETOWN, getpid()));
  R(fcntl(p[0], F_SETSIG, SIGRTMIN + 3) == 0 && fcntl(p[0], F_GETSIG) == SIGRTMIN + 3);
  R(fcntl(p[0], F_SETSIG, 1000));
  R(fcntl(p[0], F_SETSIG, 0));
  signal(SIGIO, on);
  R(fcntl(p[0], F_SETFL, O_ASYNC));
  IS(fcntl(p[0], F_GETFL) & O_ASYNC);
  write(p[1], "x", 1);
  IS(got == SIGIO);
  struct f_owner_ex bad = {77, 1};
  R(fcntl(p[0], F_SETOWN_EX, &bad));
  R(syscall(SYS_fcntl, p[0], F_GETOWN_EX, BAD));
  uint64_t hint = 2;
  int fd = open("f", O_RDWR);
  R(fcntl(fd, F_SET_RW_HINT, &hint));
  hint = 0;
  R(fcntl(fd, F_GET_RW_HINT, &hint));
  R(hint);
  R(fcntl(fd, F_GETLEASE));
}

static void memory_file(void) {
  int fd = memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  R(fcntl(fd, F_GETFD));
  R(write(fd, "sealed", 6));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
  R(fcntl(fd, F_GET_SEALS));
  R(ftruncate(fd, 3));
  R(ftruncate(fd, 10));
  R(pwrite(fd, "x", 1, 0));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL));
  R(pwrite(fd, "x", 1, 0));
  R(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
  int plain = memfd_create("plain", 0);
  R(fcntl(plain, F_GET_SEALS));
  R(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
  R(memfd_create("bad", 0x8000));
  R(syscall(SYS_memfd_create, BAD, 0));
  char longname[300];
  memset(longname, 'x', 299), longname[299] = 0;
  R(memfd_create(longname, 0));
  char text[64] = "", path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  readlink(path, text, sizeof text - 1);
  puts(text);
  R(fcntl(open("f", O_RDONLY), F_GET_SEALS));
}

int main(void) {
  enter();
  duplicates();
  locks();
  owners();
  memory_file();
}
