// ppoll and pselect6: readiness, timeouts, masks.
#include "sys.h"
#include <sys/select.h>
#include <sys/socket.h>

static volatile sig_atomic_t got;
static void on(int s) { got = s; }

static long ppoll_(void *fds, long n, void *t, void *mask, long size) { return syscall(SYS_ppoll, fds, n, t, mask, size); }
static long pselect_(int n, void *r, void *w, void *e, void *t, void *m) { return syscall(SYS_pselect6, n, r, w, e, t, m); }

static void events(void) {
  int p[2], s[2];
  char buf[16];
  pipe(p);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  struct pollfd f[] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}, {s[0], POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0}, {-1, POLLIN, 9}, {999, POLLIN, 0}};
#define SHOW(n)                                                                           \
  do {                                                                                    \
    int r = poll(f, n, 0);                                                                \
    printf("poll %d:", r);                                                                \
    for (int i = 0; i < n; i++) printf(" %x", f[i].revents);                              \
    puts("");                                                                             \
  } while (0)
  SHOW(5);
  write(p[1], "x", 1), write(s[1], "y", 1);
  SHOW(4);
  read(p[0], buf, 16), read(s[0], buf, 16);
  SHOW(4);
  shutdown(s[1], SHUT_WR);
  SHOW(3);
  close(s[1]);
  SHOW(3);
  close(p[1]);
  f[1].fd = -1;
  SHOW(2);
  int file = open("f", O_RDWR | O_CREAT, 0600);
  f[0].fd = file, f[0].events = POLLIN | POLLOUT | POLLPRI;
  SHOW(1);
}

static void timeouts(void) {
  struct timespec t = {0, 30000000}, zero = {0, 0}, wrong = {0, 1000000000}, minus = {-1, 0};
  double a = now();
  R(ppoll_(NULL, 0, &t, NULL, 0));
  IS(now() - a >= 0.029);
  // The kernel tells how much was left.
  printf("left %ld %ld\n", (long)t.tv_sec, (long)t.tv_nsec);
  R(ppoll_(NULL, 0, &zero, NULL, 0));
  R(ppoll_(NULL, 0, &wrong, NULL, 0));
  R(ppoll_(NULL, 0, &minus, NULL, 0));
  R(ppoll_(NULL, 0, BAD, NULL, 0));
  R(ppoll_(BAD, 1, &zero, NULL, 0));
  R(ppoll_(NULL, 100000000, &zero, NULL, 0));
  t = (struct timespec){0, 30000000}, a = now();
  R(pselect_(0, NULL, NULL, NULL, &t, NULL));
  IS(now() - a >= 0.029);
  printf("left %ld %ld\n", (long)t.tv_sec, (long)t.tv_nsec);
  R(pselect_(0, NULL, NULL, NULL, &wrong, NULL));
  R(pselect_(-1, NULL, NULL, NULL, &zero, NULL));
  R(pselect_(64, BAD, NULL, NULL, &zero, NULL));
  int p[2];
  pipe(p);
  write(p[1], "x", 1);
  t = (struct timespec){50, 0};
  struct pollfd f = {p[0], POLLIN, 0};
  R(ppoll_(&f, 1, &t, NULL, 0));
  IS(t.tv_sec >= 45 && t.tv_sec < 50);
}

static void sets(void) {
  int p[2], q[2];
  pipe(p), pipe(q);
  dup2(p[0], 100), dup2(q[1], 200);
  write(p[1], "x", 1);
  fd_set r, w, e;
  FD_ZERO(&r);
  FD_ZERO(&w);
  FD_ZERO(&e);
  FD_SET(100, &r), FD_SET(q[0], &r), FD_SET(200, &w), FD_SET(100, &e);
  struct timespec zero = {0, 0};
  R(pselect_(201, &r, &w, &e, &zero, NULL));
  printf("%d %d %d %d\n", FD_ISSET(100, &r) != 0, FD_ISSET(q[0], &r) != 0, FD_ISSET(200, &w) != 0, FD_ISSET(100, &e) != 0);
  FD_ZERO(&r);
  FD_SET(150, &r);
  R(pselect_(151, &r, NULL, NULL, &zero, NULL));
  FD_ZERO(&r);
  FD_SET(q[0], &r);
  R(pselect_(q[0] + 1, &r, NULL, NULL, &zero, NULL));
  IS(!FD_ISSET(q[0], &r));
}

static void masks(void) {
  uint64_t none = 0, all = ~0ull, old = 0, after = 0;
  struct timespec zero = {0, 0}, long_ = {20, 0};
  struct { void *set; long size; } m = {&none, 8};
  struct sigaction sa = {.sa_handler = on, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &sa, NULL);
  sigset_t block;
  sigemptyset(&block), sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, NULL);
  raise(SIGUSR1);
  R(got);
  // The blocked signal is let in for the time of the call, and ends it whatever SA_RESTART says.
  R(ppoll_(NULL, 0, &long_, &none, 8));
  IS(got == SIGUSR1);
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &old, 8);
  IS(old == 1ull << (SIGUSR1 - 1));
  got = 0, raise(SIGUSR1);
  R(pselect_(0, NULL, NULL, NULL, &long_, &m));
  IS(got == SIGUSR1);
  got = 0, raise(SIGUSR1);
  // With events ready, the call succeeds and the signal stays where it is.
  int p[2];
  pipe(p);
  write(p[1], "x", 1);
  struct pollfd f = {p[0], POLLIN, 0};
  R(ppoll_(&f, 1, &zero, &all, 8));
  R(got);
  sigset_t pending;
  sigpending(&pending);
  IS(sigismember(&pending, SIGUSR1));
  R(ppoll_(&f, 1, &zero, &none, 8) == 1 || got == SIGUSR1);
  // Sizes and addresses of masks.
  R(ppoll_(NULL, 0, &zero, &none, 4));
  R(ppoll_(NULL, 0, &zero, BAD, 8));
  R(ppoll_(NULL, 0, &zero, NULL, 4));
  m.size = 16;
  R(pselect_(0, NULL, NULL, NULL, &zero, &m));
  m.set = NULL;
  R(pselect_(0, NULL, NULL, NULL, &zero, &m));
  m.set = BAD, m.size = 8;
  R(pselect_(0, NULL, NULL, NULL, &zero, &m));
  R(pselect_(0, NULL, NULL, NULL, &zero, BAD));
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &after, 8);
  IS(after == old);
  // Unblocked for the process, blocked for the call: it waits until the call is over.
  sigprocmask(SIG_UNBLOCK, &block, NULL);
  got = 0;
  pid_t child = fork();
  if (child == 0) nap(30), kill(getppid(), SIGUSR1), _exit(0);
  long_ = (struct timespec){0, 150000000};
  R(ppoll_(NULL, 0, &long_, &all, 8));
  IS(got == SIGUSR1);
  waitpid(child, NULL, 0);
}

int main(void) {
  enter();
  events();
  timeouts();
  sets();
  masks();
}
