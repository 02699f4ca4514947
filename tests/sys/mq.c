// POSIX message queues, by the kernel's own calls.
#include "sys.h"
#include <mqueue.h>
#include <sys/resource.h>

static volatile sig_atomic_t value;
static void on(int s, siginfo_t *i, void *u) {
  (void)s, (void)u;
  value = i->si_code == SI_MESGQ ? i->si_value.sival_int : -1;
}

int main(void) {
  enter();
  char name[32], buf[64];
  unsigned prio = 99;
  snprintf(name, sizeof name, "rf-sys-%d", getpid());
  struct mq_attr a = {.mq_maxmsg = 3, .mq_msgsize = 16}, b;
  R(syscall(SYS_mq_open, name, O_RDWR, 0, NULL));
  long q;
  OK(q = syscall(SYS_mq_open, name, O_RDWR | O_CREAT | O_EXCL | O_NONBLOCK | O_CLOEXEC, 0600, &a));
  if (q < 0) return 0;
  R(fcntl(q, F_GETFD));
  IS((fcntl(q, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_DIRECTORY | O_DIRECT)) == (O_RDWR | O_NONBLOCK));
  R(syscall(SYS_mq_open, name, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
  R(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, &a));
  R(syscall(SYS_mq_open, BAD, O_RDWR | O_CREAT, 0600, &a));
  struct mq_attr wrong = {.mq_maxmsg = 0, .mq_msgsize = 16};
  R(syscall(SYS_mq_open, "rf-sys-other", O_RDWR | O_CREAT, 0600, &wrong));
  R(syscall(SYS_mq_timedsend, q, "low", 4, 1, NULL));
  R(syscall(SYS_mq_timedsend, q, "high", 5, 9, NULL));
  R(syscall(SYS_mq_timedsend, q, "too long for this queue", 24, 9, NULL));
  R(syscall(SYS_mq_timedsend, q, "x", 1, 100000, NULL));
  R(syscall(SYS_mq_getsetattr, q, NULL, &b));
  printf("%ld %ld %ld %s\n", b.mq_maxmsg, b.mq_msgsize, b.mq_curmsgs, b.mq_flags == O_NONBLOCK ? "nonblock" : "?");
  R(syscall(SYS_mq_timedreceive, q, buf, 8, &prio, NULL));
  R(syscall(SYS_mq_timedreceive, q, buf, 64, &prio, NULL));
  printf("%s %u\n", buf, prio);
  R(syscall(SYS_mq_timedreceive, q, buf, 64, &prio, NULL));
  R(syscall(SYS_mq_timedreceive, q, buf, 64, &prio, NULL));
  b.mq_flags = 0;
  R(syscall(SYS_mq_getsetattr, q, &b, NULL));
  struct timespec past = {1, 0}, bad = {0, -1};
  R(syscall(SYS_mq_timedreceive, q, buf, 64, &prio, &past));
  R(syscall(SYS_mq_timedreceive, q, buf, 64, &prio, &bad));
  struct sigaction sa = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &sa, NULL);
  struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 1234};
  R(syscall(SYS_mq_notify, q, &ev));
  R(syscall(SYS_mq_notify, q, &ev));
  R(syscall(SYS_mq_timedsend, q, "wake", 5, 0, NULL));
  R(value);
  ev.sigev_signo = 1000;
  R(syscall(SYS_mq_notify, q, &ev));
  R(syscall(SYS_mq_notify, q, NULL));
  R(syscall(SYS_mq_notify, 0, NULL));
  struct pollfd p = {q, POLLIN | POLLOUT, 0};
  R(poll(&p, 1, 0));
  R(p.revents);
  R(syscall(SYS_mq_unlink, name));
  R(syscall(SYS_mq_unlink, name));
}
