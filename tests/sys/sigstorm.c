// Signals from all sides against everything that waits or runs: nothing lost, nothing doubled, no call that says what isn't so.
//   sigstorm [-n ROUNDS]
#include "sys.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

static int rounds = 1;
static atomic_int hits, bad, stop;
static void count(int s) { (void)s, hits++; }
static void handle(int sig, void (*f)(int), int flags) {
  struct sigaction a = {.sa_handler = f, .sa_flags = flags};
  sigaction(sig, &a, NULL);
}
static sigset_t set1(int sig) {
  sigset_t s;
  sigemptyset(&s), sigaddset(&s, sig);
  return s;
}

// Threads that send a signal to one thread as fast as they can.
static pthread_t target;
static void *pest(void *sig) {
  while (!stop) pthread_kill(target, (int)(intptr_t)sig), usleep(50);
  return NULL;
}
#define PESTS 2
static void pestered(const char *what, int flags, void (*f)(void)) {
  pthread_t t[PESTS];
  stop = 0, bad = 0, hits = 0, target = pthread_self();
  handle(SIGUSR1, count, flags);
  for (int i = 0; i < PESTS; i++) pthread_create(&t[i], NULL, pest, (void *)(intptr_t)SIGUSR1);
  while (!hits) usleep(100);
  f();
  stop = 1;
  for (int i = 0; i < PESTS; i++) pthread_join(t[i], NULL);
  printf("%s%s: bad %d\n", what, flags & SA_RESTART ? ", restarting" : "", bad);
}

// A stream through a pipe or a socket pair in pieces of odd sizes: each byte arrives once, in order, whatever interrupts.
static int fds[2];
static atomic_long moved;
#define STREAM 400000L
static void *drain(void *unused) {
  unsigned char buf[3000], next = 0;
  long n;
  while ((n = read(fds[0], buf, 1 + moved % 2999)) != 0) {
    if (n < 0) {
      bad += errno != EINTR;
      continue;
    }
    for (long i = 0; i < n; i++) bad += buf[i] != next++;
    moved += n;
  }
  return unused;
}
static void stream(void) {
  pthread_t t;
  unsigned char buf[70000];
  long sent = 0;
  moved = 0;
  sigset_t s = set1(SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  pthread_create(&t, NULL, drain, NULL);
  pthread_sigmask(SIG_UNBLOCK, &s, NULL);
  while (sent < STREAM * rounds) {
    long len = 1 + sent % 69999;
    for (long i = 0; i < len; i++) buf[i] = sent + i;
    long n = write(fds[1], buf, len);
    if (n < 0) bad += errno != EINTR;
    else sent += n;
  }
  close(fds[1]);
  pthread_join(t, NULL);
  bad += moved != sent;
  close(fds[0]);
}
static void by_pipe(void) { bad += pipe(fds) != 0, stream(); }
static void by_socket(void) { bad += socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0, stream(); }

// Calls that are never restarted: EINTR or the timeout, nothing else; and what is left of a sleep is true.
static void sleeps(void) {
  int ends = 0, broken = 0;
  for (int i = 0; i < 60 * rounds; i++) {
    struct timespec t = {0, 3000000}, rest = {9, 9};
    int r = nanosleep(&t, &rest);
    if (r == 0) ends++;
    else broken++, bad += errno != EINTR || rest.tv_sec || rest.tv_nsec > 4000000;
    struct pollfd p = {0, 0, 0};
    r = poll(&p, 0, 2);
    bad += r && errno != EINTR;
    r = clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &rest);
    bad += r && (r != EINTR || rest.tv_nsec > 4000000);
  }
  bad += ends + broken == 0;
}
// A sleep to a point in time: with SA_RESTART or repeated by hand it never ends early.
static void sleep_until(void) {
  for (int i = 0; i < 20 * rounds; i++) {
    struct timespec t, now;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += 2000000;
    if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, t.tv_sec++;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)) {}
    clock_gettime(CLOCK_MONOTONIC, &now);
    bad += now.tv_sec < t.tv_sec || (now.tv_sec == t.tv_sec && now.tv_nsec < t.tv_nsec);
  }
}
// A FIFO's other end comes late: open waits. With SA_RESTART it is never interrupted.
static atomic_int enough;
static void *opens(void *unused) {
  while (!enough) {
    int fd;
    while ((fd = open("fifo", O_WRONLY)) < 0) bad += errno != EINTR;
    close(fd);
    usleep(300);
  }
  return unused;
}
// What doesn't wait is never interrupted: a signal comes before it or after it.
static void quick(void) {
  put("plain", "text");
  for (int i = 0; i < 6000 * rounds; i++) {
    int n = 0, fd = open("plain", O_RDWR);
    char c;
    bad += fd < 0;
    bad += ioctl(fd, FIONREAD, &n) != 0 || n != 4;
    bad += read(fd, &c, 1) != 1;
    bad += flock(fd, LOCK_EX) != 0;
    close(fd);
  }
}
static int restarting;
static void fifos(void) {
  pthread_t t;
  enough = 0;
  mkfifo("fifo", 0600);
  sigset_t s = set1(SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  pthread_create(&t, NULL, opens, NULL);
  pthread_sigmask(SIG_UNBLOCK, &s, NULL);
  for (int i = 0; i < 30 * rounds; i++) {
    int fd;
    char c;
    while ((fd = open("fifo", O_RDONLY)) < 0) bad += errno != EINTR || restarting;
    while (read(fd, &c, 1) != 0) bad += errno != EINTR || restarting;
    close(fd);
  }
  // An open that was interrupted may have let the other one through: the writer goes on until all is read.
  enough = 1;
  int fd = open("fifo", O_RDWR);
  pthread_join(t, NULL);
  close(fd), unlink("fifo");
}
static void fifos_restarting(void) { restarting = 1, fifos(), restarting = 0; }
// Children come and go: waitpid is interrupted by pests, the children's ends raise SIGCHLD.
static atomic_int deaths;
static void on_child(int s) { (void)s, deaths++; }
static void children(void) {
  handle(SIGCHLD, on_child, SA_RESTART);
  for (int i = 0; i < 15 * rounds; i++) {
    int st;
    pid_t pid = fork(), r;
    if (!pid) _exit(i & 127);
    while ((r = waitpid(pid, &st, 0)) < 0 && errno == EINTR) {}
    bad += r != pid || !WIFEXITED(st) || WEXITSTATUS(st) != (i & 127);
  }
  bad += !deaths;
  signal(SIGCHLD, SIG_DFL);
}
// Loops whose only exit is the branch backward, long dependent chains, and floating point: the handlers must not be felt.
static void loops(void) {
  for (int k = 0; k < 8 * rounds; k++) {
    unsigned long h = 1, n = 300000;
    double d = 1;
    for (unsigned long i = 0; i < n; i++) h = h * 6364136223846793005u + 1442695040888963407u;
    for (unsigned long i = 0; i < n; i++) d = d * 0.999999 + 1e-6;
    static unsigned long first;
    static double first_d;
    if (!first) first = h, first_d = d;
    bad += first != h || first_d != d;
  }
}
// A loop without any call ends only if the handler gets in.
static volatile int released;
static void release(int s) { (void)s, released = 1; }
static void spin(void) {
  for (int i = 0; i < 30 * rounds; i++) {
    released = 0;
    handle(SIGALRM, release, 0);
    ualarm(1000, 0);
    while (!released) {}
  }
}

// Calls with a mask: the signal is blocked but for the call, so the handler may run only there, and each sent signal is seen once.
static atomic_int inside, outside;
static volatile int in_call;
static void placed(int s) {
  (void)s;
  if (in_call) inside++;
  else outside++;
}
static atomic_int go;
static void *one_by_one(void *unused) {
  while (!stop) {
    if (go) go = 0, pthread_kill(target, SIGUSR2);
    else sched_yield();
  }
  return unused;
}
static int ep, pfd[2];
static int masked_call(int kind, sigset_t *open) {
  struct timespec t = {5, 0};
  struct epoll_event e;
  struct pollfd p = {pfd[0], POLLIN, 0};
  fd_set r;
  FD_ZERO(&r);
  FD_SET(pfd[0], &r);
  switch (kind) {
  case 0: return ppoll(&p, 1, &t, open);
  case 1: return pselect(pfd[0] + 1, &r, NULL, NULL, &t, open);
  case 2: return epoll_pwait(ep, &e, 1, 5000, open);
  default: return sigsuspend(open);
  }
}
static void masks(const char *what, int kind) {
  pthread_t t;
  sigset_t s = set1(SIGUSR2), before, now;
  stop = 0, bad = 0, inside = outside = 0, go = 0, target = pthread_self();
  handle(SIGUSR2, placed, SA_RESTART);
  pthread_sigmask(SIG_BLOCK, &s, &before);
  pthread_create(&t, NULL, one_by_one, NULL);
  int n = 300 * rounds;
  for (int i = 0; i < n; i++) {
    go = 1;
    if (i % 3 == 0) while (go) sched_yield();
    in_call = 1;
    int r = masked_call(kind, &before);
    in_call = 0;
    bad += r != -1 || errno != EINTR;
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    bad += !sigismember(&now, SIGUSR2);
  }
  stop = 1;
  pthread_join(t, NULL);
  printf("%s: bad %d inside %d outside %d\n", what, bad, inside == n, outside);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

// What is blocked is fetched: by sigwaitinfo and by a descriptor; queued values come in order, each once.
static void *sends(void *arg) {
  pid_t pid = getpid();
  for (int i = 0; i < 500 * rounds; i++)
    while (sigqueue(pid, SIGRTMIN + 1, (union sigval){.sival_int = i})) usleep(100);
  return arg;
}
static void fetched(int by_descriptor) {
  sigset_t s = set1(SIGRTMIN + 1);
  pthread_t t;
  bad = 0;
  int fd = by_descriptor ? signalfd(-1, &s, 0) : -1, next = 0;
  pthread_create(&t, NULL, sends, NULL);
  while (next < 500 * rounds) {
    if (by_descriptor) {
      struct signalfd_siginfo i[7];
      int n = read(fd, i, sizeof i);
      if (n < 0) bad += errno != EINTR;
      else for (int k = 0; k < n / (int)sizeof *i; k++) bad += i[k].ssi_int != next++ || i[k].ssi_code != SI_QUEUE;
    } else {
      siginfo_t i;
      struct timespec patience = {5, 0};
      int r = sigtimedwait(&s, &i, &patience);
      if (r < 0) bad += errno != EINTR;
      else bad += i.si_value.sival_int != next++ || i.si_code != SI_QUEUE;
    }
  }
  pthread_join(t, NULL);
  if (fd >= 0) close(fd);
}
static void fetch(void) { fetched(0); }
static void fetch_fd(void) { fetched(1); }

// Timers with signals of their own, at a process that computes: every expiration is counted, by signal or as overrun.
static atomic_long expired;
static void on_timer(int s, siginfo_t *i, void *c) { (void)s, (void)c, expired += 1 + i->si_overrun; }
static void timers(void) {
  struct sigaction a = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGRTMIN + 2, &a, NULL);
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2};
  timer_t t[4];
  expired = 0;
  double start = now();
  for (int i = 0; i < 4; i++) {
    struct itimerspec every = {{0, 500000}, {0, 500000}};
    timer_create(CLOCK_MONOTONIC, &e, &t[i]), timer_settime(t[i], 0, &every, NULL);
  }
  volatile unsigned long sink = 0;
  while (now() - start < 0.3 * rounds) sink++;
  double lasted = now() - start;
  for (int i = 0; i < 4; i++) timer_delete(t[i]);
  // They go on until they are deleted: on a busy machine that may be milliseconds later.
  double until = now() - start, each = 4 / 0.0005;
  bad = expired > until * each + 8 || expired < lasted * each * 0.5;
  printf("timers: bad %d\n", bad);
  if (bad) printf("%ld expired in %.6f to %.6f s\n", (long)expired, lasted, until);
}

int main(int argc, char **argv) {
  if (argc > 2 && !strcmp(argv[1], "-n")) rounds = atoi(argv[2]);
  enter();
  alarm(30 + 30 * rounds);
  // For every thread: only fetched.
  sigset_t s = set1(SIGRTMIN + 1);
  pthread_sigmask(SIG_BLOCK, &s, NULL);
  ep = epoll_create1(0);
  if (pipe(pfd)) return 1;
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    pestered("pipe", flags, by_pipe);
    pestered("socket", flags, by_socket);
    pestered("sleeps", flags, sleeps);
    pestered("sleep until", flags, sleep_until);
    pestered("quick", flags, quick);
    pestered("fifo", flags, flags ? fifos_restarting : fifos);
    pestered("children", flags, children);
    pestered("loops", flags, loops);
    pestered("spin", flags, spin);
    pestered("sigtimedwait", flags, fetch);
    pestered("signalfd", flags, fetch_fd);
  }
  masks("ppoll", 0);
  masks("pselect", 1);
  masks("epoll_pwait", 2);
  masks("sigsuspend", 3);
  timers();
}
