// Calls that wait, met by a signal: with SA_RESTART and without. The signal repeats until the call has seen it, so no race decides.
#include "sys.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>

static volatile sig_atomic_t hits;
static volatile int stop;
static pthread_t waiter;
static void on(int s) { (void)s, hits++; }

// Sends the signal a few times, then lets the call finish, in case it goes on.
static void (*finish)(void);
static void *disturb(void *unused) {
  for (int i = 0; i < 4 && !stop; i++) nap(15), pthread_kill(waiter, SIGUSR1);
  nap(15);
  if (!stop && finish) finish();
  return unused;
}

static void with(const char *name, int flags, long (*call)(void), void (*end)(void)) {
  struct sigaction sa = {.sa_handler = on, .sa_flags = flags};
  sigaction(SIGUSR1, &sa, NULL);
  hits = 0, stop = 0, finish = end, waiter = pthread_self();
  pthread_t t;
  pthread_create(&t, NULL, disturb, NULL);
  errno = 0;
  long r = call();
  int e = errno, seen = hits > 0;
  stop = 1;
  pthread_join(t, NULL);
  errno = e;
  printf("%s %s: %ld %s, handler %s\n", name, flags ? "restart" : "no restart", r, r == -1 ? err() : "", seen ? "ran" : "did not run");
}

static int p[2], s[2], sem, msg, lockfd, held, listener;
static char buf[65536];

static long do_read(void) { return read(p[0], buf, 1); }
static void end_read(void) { write(p[1], "x", 1); }
static long do_write(void) {
  while (write(s[0], buf, sizeof buf) == sizeof buf) {}
  return -1;
}
static long do_recv(void) { return recv(s[1], buf, 1, 0); }
static void end_recv(void) { write(s[0], "x", 1); }
static long do_recv_timeout(void) {
  struct timeval t = {10, 0};
  setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  long r = recv(s[1], buf, 1, 0);
  int e = errno;
  t.tv_sec = 0, setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
  errno = e;
  return r;
}
static long do_poll(void) {
  struct pollfd f = {p[0], POLLIN, 0};
  return poll(&f, 1, 10000);
}
static long do_select(void) {
  fd_set r;
  FD_ZERO(&r);
  FD_SET(p[0], &r);
  return select(p[0] + 1, &r, NULL, NULL, NULL);
}
static long do_epoll(void) {
  struct epoll_event e;
  return epoll_wait(epoll_create1(0), &e, 1, 10000);
}
static long do_flock(void) { return flock(lockfd, LOCK_EX); }
static void end_flock(void) { flock(held, LOCK_UN); }
static long do_setlkw(void) {
  struct flock l = {.l_type = F_WRLCK};
  return fcntl(lockfd, F_OFD_SETLKW, &l);
}
static void end_setlkw(void) {
  struct flock l = {.l_type = F_UNLCK};
  fcntl(held, F_OFD_SETLK, &l);
}
static long do_accept(void) { return accept(listener, NULL, NULL) >= 0 ? 0 : -1; }
static void end_accept(void) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "listener"};
  connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof a);
}
static long do_semop(void) {
  struct sembuf b = {0, -1, 0};
  return semop(sem, &b, 1);
}
static long do_msgrcv(void) { return msgrcv(msg, buf, 1, 0, 0); }
static long do_open(void) { return open("fifo", O_RDONLY) >= 0 ? 0 : -1; }
static void end_open(void) { open("fifo", O_RDWR); }
static long do_splice(void) { return splice(p[0], NULL, open("/dev/null", O_WRONLY), NULL, 1, 0); }
static long do_wait(void) {
  pid_t c = fork();
  if (c == 0) nap(150), _exit(0);
  long r = waitpid(c, NULL, 0);
  int e = errno;
  if (r != c) waitpid(c, NULL, 0);
  errno = e;
  return r == c ? 0 : -1;
}

static void rearm(void) {
  struct flock l = {.l_type = F_WRLCK};
  flock(lockfd, LOCK_UN), end_setlkw();
  close(lockfd), close(held);
  lockfd = open("f", O_RDWR), held = open("f", O_RDWR);
  flock(held, LOCK_EX);
  fcntl(held, F_OFD_SETLK, &l);
}

int main(void) {
  enter();
  put("f", "");
  pipe(p);
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  sem = semget(IPC_PRIVATE, 1, 0600), msg = msgget(IPC_PRIVATE, 0600);
  mkfifo("fifo", 0600);
  listener = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "listener"};
  bind(listener, (void *)&a, sizeof a), listen(listener, 1);
  lockfd = open("f", O_RDWR), held = open("f", O_RDWR);
  for (int i = 0; i < 2; i++) {
    int f = i ? SA_RESTART : 0;
    with("read", f, do_read, end_read);
    with("recv", f, do_recv, end_recv);
    with("recv with timeout", f, do_recv_timeout, end_recv);
    with("poll", f, do_poll, end_read);
    with("select", f, do_select, end_read);
    with("epoll", f, do_epoll, NULL);
    rearm(), with("flock", f, do_flock, end_flock);
    rearm(), with("setlkw", f, do_setlkw, end_setlkw);
    with("accept", f, do_accept, end_accept);
    with("semop", f, do_semop, NULL);
    with("msgrcv", f, do_msgrcv, NULL);
    with("open", f, do_open, end_open);
    unlink("fifo"), mkfifo("fifo", 0600);
    with("splice", f, do_splice, end_read);
    with("wait", f, do_wait, NULL);
  }
  with("write", 0, do_write, NULL);
  semctl(sem, 0, IPC_RMID), msgctl(msg, IPC_RMID, NULL);
}
