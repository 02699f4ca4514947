// eventfd, timerfd, signalfd, inotify: descriptors that report events.
#include "sys.h"
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void counters(void) {
  uint64_t v = 5;
  char small[4];
  int a = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  R(write(a, &v, 8));
  R(read(a, &v, 8));
  R(v);
  R(read(a, &v, 8));
  R(read(a, small, 4));
  v = ~0ull;
  R(write(a, &v, 8));
  v = ~0ull - 1;
  R(write(a, &v, 8));
  v = 1;
  R(write(a, &v, 8));
  R(read(s, &v, 8));
  R(v);
  R(read(s, &v, 8));
  R(read(s, &v, 8));
  R(eventfd(0, 0x40000000));
}

static void timers(void) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  struct itimerspec it = {{0, 10000000}, {0, 20000000}}, old;
  uint64_t n = 0;
  R(read(fd, &n, 8));
  R(timerfd_settime(fd, 0, &it, &old));
  printf("%ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_nsec);
  struct pollfd p = {fd, POLLIN, 0};
  R(poll(&p, 1, 5000));
  R(read(fd, &n, 8));
  IS(n >= 1);
  R(timerfd_gettime(fd, &old));
  IS(old.it_interval.tv_nsec == 10000000 && old.it_value.tv_nsec <= 10000000);
  struct itimerspec off = {{0, 0}, {0, 0}}, wrong = {{0, 0}, {0, 1000000000}};
  R(timerfd_settime(fd, 0, &off, NULL));
  R(timerfd_gettime(fd, &old));
  R(old.it_value.tv_nsec);
  R(timerfd_settime(fd, 0, &wrong, NULL));
  R(timerfd_settime(fd, 0x80, &off, NULL));
  R(timerfd_settime(0, 0, &off, NULL));
  R(syscall(SYS_timerfd_settime, fd, 0, BAD, NULL));
  struct itimerspec past = {{0, 0}, {1, 0}};
  R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL));
  R(read(fd, &n, 8));
  R(n);
  R(timerfd_create(77, 0));
  R(timerfd_create(CLOCK_REALTIME, 0x40000000));
}

static void signals(void) {
  sigset_t m;
  struct signalfd_siginfo si;
  sigemptyset(&m), sigaddset(&m, SIGUSR1), sigaddset(&m, SIGRTMIN + 1), sigaddset(&m, SIGCHLD);
  sigprocmask(SIG_BLOCK, &m, NULL);
  int fd = signalfd(-1, &m, SFD_NONBLOCK | SFD_CLOEXEC);
  R(read(fd, &si, sizeof si));
  kill(getpid(), SIGUSR1);
  union sigval v = {.sival_ptr = (void *)0x1122334455667788};
  sigqueue(getpid(), SIGRTMIN + 1, v);
  R(read(fd, &si, sizeof si));
  IS(si.ssi_signo == SIGUSR1 && si.ssi_code == SI_USER && si.ssi_pid == (uint32_t)getpid() && si.ssi_uid == getuid());
  R(read(fd, &si, sizeof si));
  IS(si.ssi_signo == (uint32_t)SIGRTMIN + 1 && si.ssi_code == SI_QUEUE && si.ssi_ptr == 0x1122334455667788);
  R(read(fd, &si, sizeof si));
  if (fork() == 0) _exit(42);
  struct pollfd p = {fd, POLLIN, 0};
  R(poll(&p, 1, 10000));
  R(read(fd, &si, sizeof si));
  IS(si.ssi_signo == SIGCHLD && si.ssi_code == CLD_EXITED && si.ssi_status == 42);
  wait(NULL);
  R(read(fd, &si, 10));
  R(syscall(SYS_signalfd4, -1, &m, 4, 0));
  R(syscall(SYS_signalfd4, -1, BAD, 8, 0));
  R(syscall(SYS_signalfd4, 0, &m, 8, 0));
  R(syscall(SYS_signalfd4, -1, &m, 8, 0x40000000));
}

static void drain(int fd) {
  _Alignas(8) char buf[4096];
  ssize_t n = read(fd, buf, sizeof buf);
  if (n < 0) printf("%s\n", err());
  for (char *p = buf; p < buf + n;) {
    struct inotify_event *e = (void *)p;
    printf("wd %d mask %x cookie %d len %u %s\n", e->wd, e->mask, e->cookie != 0, e->len, e->len ? e->name : "");
    p += sizeof *e + e->len;
  }
}

static void watches(void) {
  int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  mkdir("d", 0755);
  R(inotify_add_watch(fd, "d", IN_ALL_EVENTS));
  drain(fd);
  put("d/file", "x");
  drain(fd);
  rename("d/file", "d/other");
  chmod("d/other", 0600);
  unlink("d/other");
  mkdir("d/sub", 0755);
  drain(fd);
  R(inotify_add_watch(fd, "d", IN_DELETE | IN_ONESHOT));
  rmdir("d/sub");
  drain(fd);
  put("f", "x");
  R(inotify_add_watch(fd, "f", IN_MODIFY));
  R(inotify_rm_watch(fd, 2));
  drain(fd);
  R(inotify_rm_watch(fd, 2));
  R(inotify_add_watch(fd, "none", IN_MODIFY));
  R(inotify_add_watch(fd, "f", IN_ONLYDIR | IN_MODIFY));
  R(inotify_add_watch(fd, "f", 0));
  R(inotify_add_watch(-1, "f", IN_MODIFY));
  R(inotify_add_watch(0, "f", IN_MODIFY));
  R(syscall(SYS_inotify_init1, 0x40000000));
  char small[8];
  R(inotify_add_watch(fd, "f", IN_MODIFY));
  put("f", "y");
  R(read(fd, small, 8));
}

int main(void) {
  enter();
  counters();
  timers();
  signals();
  watches();
}
