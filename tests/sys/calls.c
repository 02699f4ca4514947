// Paths through file calls that the other programs leave out: mostly their refusals.
#include "sys.h"
#include "numbers.h"
#include <mqueue.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/sem.h>
#include <sys/uio.h>

static void vectors(void) {
  char a[4] = "abc", b[4] = "def", c[8] = "", d[8] = "";
  struct iovec out[2] = {{a, 3}, {b, 3}}, in[2] = {{c, 2}, {d, 7}}, bad[1] = {{BAD, 4}};
  int fd = open("v", O_RDWR | O_CREAT, 0600), ro = open("v", O_RDONLY);
  R(writev(fd, out, 2)), R(writev(ro, out, 2)), R(writev(fd, out, -1)), R(writev(fd, bad, 1)), R(writev(99, out, 2));
  lseek(fd, 0, SEEK_SET);
  R(readv(fd, in, 2)), R(readv(fd, in, -1)), R(readv(99, in, 2));
  printf("%s %s\n", c, d);
  lseek(fd, 0, SEEK_SET);
  R(readv(fd, bad, 1));
  R(pwrite(fd, "xy", 2, 1)), R(pwrite(ro, "xy", 2, 1)), R(pwrite(fd, "xy", 2, -1)), R(pwrite(fd, BAD, 2, 0));
  R(pwritev(fd, out, 2, 10)), R(pwritev(ro, out, 2, 0)), R(pwritev(fd, out, 2, -2));
  R(pwritev2(fd, out, 2, 10, 0)), R(pwritev2(fd, out, 2, 10, 0x4000)), R(pwritev2(ro, out, 2, 0, 0));
  struct iovec here = {a, 3}, there = {c, 3};
  R(process_vm_writev(getpid(), &here, 1, &there, 1, 0)), R(process_vm_writev(1 << 30, &here, 1, &there, 1, 0));
  R(process_vm_writev(getpid(), &here, 1, &there, 1, 1));
  puts(c);
  struct stat st;
  R(syscall(SYS_fstat, fd, &st)), R(syscall(SYS_fstat, 99, &st)), R(syscall(SYS_fstat, fd, BAD));
  printf("%ld\n", (long)st.st_size);
  R(flock(fd, 2)), R(flock(ro, 2 | 4)), R(flock(fd, 99)), R(flock(99, 2));
  R(fchown(fd, -1, -1)), R(fchown(99, 0, 0));
  R(fdatasync(fd)), R(fdatasync(99)), R(syncfs(fd)), R(syncfs(99));
  R(readahead(fd, 0, 4096)), R(readahead(99, 0, 4096));
  struct { uint64_t off, len; } range = {0, 4096};
  uint64_t stat[5];
  R(syscall(NR_cachestat, fd, &range, stat, 0)), R(syscall(NR_cachestat, fd, &range, stat, 1)), R(syscall(NR_cachestat, 99, &range, stat, 0));
}

// The numbers of these differ between machines; their names must not.
static void flags(const char *what, int fd) {
  int f = fcntl(fd, F_GETFL);
  printf("%s:%s%s%s%s%s%s\n", what, f & O_DIRECTORY ? " directory" : "", f & O_NOFOLLOW ? " nofollow" : "", f & O_DIRECT ? " direct" : "",
         f & O_PATH ? " path" : "", f & O_APPEND ? " append" : "", f & O_NONBLOCK ? " nonblock" : "");
}

static void open_flags(void) {
  int p[2];
  flags("directory", open(".", O_DIRECTORY)), flags("nofollow", open("v", O_NOFOLLOW | O_APPEND)), flags("path", open(".", O_PATH | O_DIRECTORY));
  R(pipe2(p, O_DIRECT | O_NONBLOCK)), flags("packets", p[0]);
  R(fcntl(p[0], F_SETFL, 0)), flags("packets no more", p[0]);
  R(pipe2(p, O_DIRECTORY)), R(pipe2(p, O_NOFOLLOW));
}

static void memories(void) {
  int fd;
  OK(fd = memfd_create("m", MFD_ALLOW_SEALING)), R(memfd_create("m", 0x8000)), R(syscall(SYS_memfd_create, BAD, 0));
  R(ftruncate(fd, 100)), R(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)), R(ftruncate(fd, 50));
  char name[64], link[128];
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  long n = readlink(name, link, sizeof link - 1);
  link[n < 0 ? 0 : n] = 0;
  puts(link);
  OK(syscall(NR_memfd_secret, 0)), R(syscall(NR_memfd_secret, 0x1234));
  R(munlockall());
  R(syscall(SYS_brk, 8) == syscall(SYS_brk, 0));
  R(personality(0xffffffff) >= 0);
}

static void queues(void) {
  struct mq_attr a = {.mq_maxmsg = 2, .mq_msgsize = 8};
  R(syscall(SYS_mq_getsetattr, 99, NULL, &a)), R(syscall(SYS_mq_getsetattr, -1, &a, &a));
  int q = msgget(IPC_PRIVATE, 0600);
  IS(q >= 0);
  R(msgget(0x7e57, 0)), R(msgctl(q, IPC_RMID, NULL));
  int s = semget(IPC_PRIVATE, 1, 0600);
  struct sembuf up = {0, 2, 0}, down = {0, -3, IPC_NOWAIT};
  R(syscall(SYS_semop, s, &up, 1L)), R(syscall(SYS_semop, s, &down, 1L)), R(syscall(SYS_semop, s, BAD, 1L)), R(syscall(SYS_semop, s, &up, 0L));
  R(syscall(SYS_semop, -1, &up, 1L));
  R(semctl(s, 0, GETVAL)), R(semctl(s, 0, IPC_RMID));
}

static int woke;
static void on(int sig) { woke = sig; }
static void suspended(void) {
  sigset_t none, all;
  sigemptyset(&none), sigfillset(&all);
  signal(SIGALRM, on);
  sigprocmask(SIG_BLOCK, &all, NULL);
  struct timespec t = {0, 1000000};
  timer_t timer;
  R(timer_create(CLOCK_MONOTONIC, NULL, &timer));
  struct itimerspec soon = {{0, 0}, {0, 20000000}};
  R(timer_settime(timer, 0, &soon, NULL));
  R(sigsuspend(&none));
  IS(woke == SIGALRM);
  R(syscall(SYS_rt_sigsuspend, &none, 99L)), R(syscall(SYS_rt_sigsuspend, BAD, 8L));
}

int main(void) {
  enter();
  vectors(), open_flags(), memories(), queues(), suspended();
  return 0;
}
