// epoll.
#include "sys.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

static volatile sig_atomic_t got;
static void on(int s) { got = s; }

static int ctl(int ep, int op, int fd, uint32_t events, uint64_t data) {
  struct epoll_event e = {.events = events, .data = {.u64 = data}};
  return epoll_ctl(ep, op, fd, &e);
}

static void take(int ep, int max) {
  struct epoll_event e[16];
  memset(e, 0x5a, sizeof e);
  int n = epoll_wait(ep, e, max, 0);
  printf("wait %d:", n);
  for (int i = 0; i < n; i++) printf(" %x/%llx", e[i].events, (unsigned long long)e[i].data.u64);
  puts(n < 0 ? err() : "");
}

static void control(void) {
  int ep = epoll_create1(EPOLL_CLOEXEC), p[2], file = open("f", O_RDWR | O_CREAT, 0600);
  R(fcntl(ep, F_GETFD));
  pipe(p);
  R(epoll_create1(0x80));
  R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
  R(ctl(ep, EPOLL_CTL_MOD, p[1], EPOLLIN, 1));
  R(ctl(ep, EPOLL_CTL_DEL, p[1], 0, 0));
  R(ctl(ep, EPOLL_CTL_ADD, file, EPOLLIN, 1));
  R(ctl(ep, EPOLL_CTL_ADD, ep, EPOLLIN, 1));
  R(ctl(ep, EPOLL_CTL_ADD, -1, EPOLLIN, 1));
  R(ctl(-1, EPOLL_CTL_ADD, p[1], EPOLLIN, 1));
  R(ctl(p[0], EPOLL_CTL_ADD, p[1], EPOLLIN, 1));
  R(ctl(ep, 77, p[1], EPOLLIN, 1));
  R(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, p[1], BAD));
  R(syscall(SYS_epoll_ctl, ep, 77, p[1], BAD));
  R(syscall(SYS_epoll_ctl, ep, EPOLL_CTL_DEL, p[0], NULL));
  R(ctl(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
  R(ctl(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
  R(ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
}

static void kinds(void) {
  int ep = epoll_create1(0), a = eventfd(0, EFD_NONBLOCK), b = eventfd(0, EFD_NONBLOCK), s[2];
  uint64_t v = 1;
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  ctl(ep, EPOLL_CTL_ADD, a, EPOLLIN, 0xa123456789abcdef);
  ctl(ep, EPOLL_CTL_ADD, b, EPOLLIN | EPOLLET, ~0ull);
  take(ep, 16);
  write(a, &v, 8), write(b, &v, 8);
  take(ep, 16);
  take(ep, 16);
  write(b, &v, 8);
  take(ep, 1);
  take(ep, 1);
  R(ctl(ep, EPOLL_CTL_MOD, a, EPOLLIN | EPOLLONESHOT, 7));
  take(ep, 16);
  take(ep, 16);
  R(ctl(ep, EPOLL_CTL_MOD, a, EPOLLIN | EPOLLOUT, 8));
  take(ep, 16);
  ctl(ep, EPOLL_CTL_DEL, a, 0, 0);
  ctl(ep, EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLRDHUP | EPOLLPRI, 9);
  take(ep, 16);
  shutdown(s[1], SHUT_WR);
  take(ep, 16);
  close(s[1]);
  take(ep, 16);
  close(s[0]);
  take(ep, 16);
  // One inside another.
  int out = epoll_create1(0);
  R(ctl(out, EPOLL_CTL_ADD, ep, EPOLLIN, 10));
  R(ctl(ep, EPOLL_CTL_ADD, out, EPOLLIN, 11));
  write(b, &v, 8);
  take(out, 4);
  struct pollfd f = {out, POLLIN, 0};
  R(poll(&f, 1, 0));
}

static void many(void) {
  struct rlimit l = {1100, 1100};
  getrlimit(RLIMIT_NOFILE, &l);
  l.rlim_cur = l.rlim_max < 1100 ? l.rlim_max : 1100;
  setrlimit(RLIMIT_NOFILE, &l);
  enum { N = 900 };
  int ep = epoll_create1(0), ok = 1, seen = 0;
  static struct epoll_event e[N + 1];
  static char once[N];
  for (int i = 0; i < N; i++) ctl(ep, EPOLL_CTL_ADD, eventfd(1, 0), EPOLLIN | EPOLLET, i * 0x100000001ull);
  R(epoll_wait(ep, e, 7, 0));
  for (int i = 0; i < 7; i++) seen += !once[(uint32_t)e[i].data.u64]++;
  int n;
  R(n = epoll_wait(ep, e, N + 1, 0));
  for (int i = 0; i < n; i++) {
    ok &= e[i].events == EPOLLIN && e[i].data.u64 >> 32 == (uint32_t)e[i].data.u64;
    seen += !once[(uint32_t)e[i].data.u64]++;
  }
  IS(ok && seen == N);
  R(epoll_wait(ep, e, N, 0));
}

static void limits(void) {
  int ep = epoll_create1(0), a = eventfd(1, 0);
  struct epoll_event e;
  struct timespec t = {0, 20000000}, wrong = {0, -1};
  R(epoll_wait(ep, &e, 0, 0));
  R(epoll_wait(ep, &e, -1, 0));
  R(epoll_wait(ep, &e, 0x7fffffff, 0));
  R(epoll_wait(-1, &e, 1, 0));
  R(epoll_wait(a, &e, 1, 0));
  R(syscall(SYS_epoll_pwait, ep, NULL, 1, 0, NULL, 8));
  R(syscall(SYS_epoll_pwait, ep, &e, 1, 0, NULL, 4));
  ctl(ep, EPOLL_CTL_ADD, a, EPOLLIN | EPOLLET, 5);
  // An event that can't be delivered is not lost.
  R(syscall(SYS_epoll_pwait, ep, BAD, 1, 0, NULL, 8));
  R(epoll_wait(ep, &e, 1, 0));
  double s = now();
  R(syscall(441, ep, &e, 1, &t, NULL, 8)); // epoll_pwait2
  IS(now() - s >= 0.019);
  printf("left %ld %ld\n", (long)t.tv_sec, (long)t.tv_nsec);
  R(syscall(441, ep, &e, 1, &wrong, NULL, 8));
  R(syscall(441, ep, &e, 1, BAD, NULL, 8));
  s = now();
  R(epoll_wait(ep, &e, 1, 20));
  IS(now() - s >= 0.019);
}

static void masks(void) {
  int ep = epoll_create1(0), a = eventfd(1, 0);
  struct epoll_event e;
  uint64_t none = 0, all = ~0ull;
  struct sigaction sa = {.sa_handler = on, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &sa, NULL);
  sigset_t block;
  sigemptyset(&block), sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, NULL);
  raise(SIGUSR1);
  R(syscall(SYS_epoll_pwait, ep, &e, 1, 20, &all, 8));
  R(got);
  R(syscall(SYS_epoll_pwait, ep, &e, 1, 20000, &none, 8));
  IS(got == SIGUSR1);
  got = 0, raise(SIGUSR1);
  struct timespec t = {20, 0};
  R(syscall(441, ep, &e, 1, &t, &none, 8));
  IS(got == SIGUSR1);
  R(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &none, 9));
  R(syscall(SYS_epoll_pwait, ep, &e, 1, 0, BAD, 8));
  ctl(ep, EPOLL_CTL_ADD, a, EPOLLIN, 5);
  R(syscall(SYS_epoll_pwait, ep, &e, 1, -1, &all, 8));
}

int main(void) {
  enter();
  control();
  kinds();
  limits();
  masks();
  many();
}
