// Clocks, sleeping and timers.
#include "sys.h"
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/times.h>

static volatile sig_atomic_t hits;
static volatile int value, overruns;
static void on(int s) { (void)s, hits++; }
static void on_info(int s, siginfo_t *i, void *c) {
  (void)s, (void)c;
  hits++, value = i->si_value.sival_int, overruns = i->si_code == SI_TIMER;
}
static void handle(int flags) {
  struct sigaction sa = {.sa_handler = on, .sa_flags = flags};
  hits = 0;
  sigaction(SIGALRM, &sa, NULL);
}
static void after(int us) {
  struct itimerval t = {{0, 0}, {0, us}};
  setitimer(ITIMER_REAL, &t, NULL);
}
static double seconds(struct timespec t) { return t.tv_sec + t.tv_nsec / 1e9; }

static void clocks(void) {
  const clockid_t each[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
                            CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
  for (int i = 0; i < 9; i++) {
    struct timespec a, b, r, direct;
    printf("clock %d\n", each[i]);
    R(clock_gettime(each[i], &a));
    R(syscall(SYS_clock_gettime, each[i], &direct));
    R(clock_getres(each[i], &r));
    clock_gettime(each[i], &b);
    IS(seconds(b) >= seconds(a) && seconds(direct) >= seconds(a) && seconds(direct) <= seconds(b));
    IS(r.tv_sec == 0 && r.tv_nsec > 0);
  }
  struct timespec t;
  R(syscall(SYS_clock_gettime, 77, &t)), R(syscall(SYS_clock_gettime, 0, BAD)), R(syscall(SYS_clock_getres, 0, NULL));
  R(syscall(SYS_clock_getres, 77, &t));
  t.tv_nsec = -1;
  R(syscall(SYS_clock_settime, CLOCK_REALTIME, &t)), R(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t));
  struct timeval v;
  struct timezone z;
  R(syscall(SYS_gettimeofday, &v, &z)), R(syscall(SYS_gettimeofday, NULL, NULL)), R(syscall(SYS_gettimeofday, BAD, NULL));
  IS(labs(time(NULL) - v.tv_sec) < 5);
  struct timex x = {0};
  IS(adjtimex(&x) >= 0);
  IS(labs(x.time.tv_sec - v.tv_sec) < 5 && x.tick >= 9000 && x.tick <= 11000);
  struct timex y = {0};
  IS(clock_adjtime(CLOCK_REALTIME, &y) >= 0 && y.tick == x.tick);
  R(clock_adjtime(77, &y)), R(adjtimex(BAD));
  struct tms m;
  IS(times(&m) != -1 && m.tms_utime >= 0);
  R(syscall(SYS_times, BAD));
}

static void sleeping(void) {
  struct timespec t = {0, 20000000}, rest = {7, 7}, bad = {0, 1000000000}, negative = {-1, 0}, zero = {0, 0};
  double start = now();
  R(nanosleep(&t, &rest));
  IS(now() - start >= 0.02);
  printf("%ld %ld\n", (long)rest.tv_sec, rest.tv_nsec);
  R(nanosleep(&bad, NULL)), R(nanosleep(&negative, NULL)), R(nanosleep(&zero, NULL)), R(nanosleep(BAD, NULL)), R(syscall(SYS_nanosleep, NULL, NULL));
  for (int restart = 0; restart < 2; restart++) {
    handle(restart ? SA_RESTART : 0);
    struct timespec whole = {10, 0};
    after(30000);
    R(nanosleep(&whole, &rest));
    IS(hits == 1 && seconds(rest) > 5 && seconds(rest) < 10);
    after(30000);
    errno = 0;
    R(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &whole, &rest));
    IS(hits == 2 && seconds(rest) > 5 && seconds(rest) < 10);
    after(30000);
    clock_gettime(CLOCK_MONOTONIC, &whole);
    whole.tv_sec += 10;
    R(syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &whole, &rest));
    IS(hits == 3 && seconds(rest) < 10);
    after(30000);
    whole.tv_sec = 10;
    R(syscall(SYS_nanosleep, &whole, NULL));
    R(syscall(SYS_nanosleep, &zero, NULL));
    IS(sleep(0) == 0);
  }
  // Ignored: the sleep goes on.
  signal(SIGALRM, SIG_IGN);
  after(10000);
  start = now();
  t.tv_nsec = 60000000;
  R(nanosleep(&t, NULL));
  IS(now() - start >= 0.06);
  clock_gettime(CLOCK_REALTIME, &t);
  R(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL));
  R(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &zero, NULL)), R(syscall(SYS_clock_nanosleep, 99, 0, &zero, NULL));
}

static void timers(void) {
  handle(0);
  struct itimerval v = {{0, 5000}, {0, 5000}}, o, bad = {{0, 0}, {0, 1000000}};
  R(setitimer(ITIMER_REAL, &v, NULL));
  while (hits < 3) pause();
  R(getitimer(ITIMER_REAL, &o));
  IS(o.it_interval.tv_usec == 5000 && o.it_value.tv_usec <= 5000);
  R(setitimer(ITIMER_REAL, NULL, &o));
  R(setitimer(ITIMER_REAL, &bad, NULL)), R(setitimer(9, &v, NULL)), R(getitimer(9, &o)), R(getitimer(0, BAD));
  signal(SIGVTALRM, on), signal(SIGPROF, on);
  hits = 0;
  v.it_interval.tv_usec = 0;
  R(setitimer(ITIMER_VIRTUAL, &v, NULL)), R(setitimer(ITIMER_PROF, &v, NULL));
  while (hits < 2) continue;
  IS(alarm(100) == 0), IS(alarm(60) >= 99);

  struct sigaction sa = {.sa_sigaction = on_info, .sa_flags = SA_SIGINFO};
  sigaction(SIGRTMIN, &sa, NULL);
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4711};
  timer_t id, none;
  struct itimerspec s = {{0, 2000000}, {0, 2000000}}, left, off = {{0, 0}, {0, 0}};
  hits = 0;
  R(timer_create(CLOCK_MONOTONIC, &e, &id));
  R(timer_settime(id, 0, &s, &left));
  while (hits < 3) pause();
  printf("%d %d\n", value, overruns);
  R(timer_gettime(id, &left));
  IS(left.it_interval.tv_nsec == 2000000 && left.it_value.tv_sec == 0);
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGRTMIN), sigprocmask(SIG_BLOCK, &set, NULL);
  nap(30);
  siginfo_t info;
  sigwaitinfo(&set, &info);
  IS(info.si_overrun > 3 && info.si_value.sival_int == 4711 && info.si_code == SI_TIMER);
  IS(timer_getoverrun(id) > 3);
  R(timer_settime(id, 0, &off, NULL));
  R(timer_delete(id));
  R(syscall(SYS_timer_delete, 4711)), R(syscall(SYS_timer_settime, 4711, 0, &s, NULL)), R(syscall(SYS_timer_gettime, 4711, &left));
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  e.sigev_signo = 99;
  R(timer_create(CLOCK_MONOTONIC, &e, &none));
  R(timer_create(99, NULL, &none));
  // To one thread.
  struct sigevent thread = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 5};
  ((int *)&thread)[4] = (int)syscall(SYS_gettid);
  hits = 0;
  R(timer_create(CLOCK_BOOTTIME, &thread, &id));
  s.it_interval.tv_nsec = 0;
  R(timer_settime(id, 0, &s, NULL));
  while (!hits) pause();
  printf("%d\n", value);
  R(timer_delete(id));
  fflush(stdout);
  // Timers end at a fork; alarms are not inherited.
  alarm(50);
  if (!fork()) {
    IS(alarm(0) == 0);
    fflush(stdout), _exit(0);
  }
  wait(NULL);
}

int main(void) {
  enter();
  clocks(), sleeping(), timers();
}
