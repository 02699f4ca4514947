// What handlers are told by each sender, in which order signals come, and what becomes of frames that don't fit or make no sense.
#include "sys.h"
#include <mqueue.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

static siginfo_t last;
static volatile int hits;
static void note(int s, siginfo_t *i, void *c) { (void)s, (void)c, last = *i, hits++; }
static void set(int sig, void (*f)(int, siginfo_t *, void *), int flags) {
  struct sigaction a = {.sa_sigaction = f, .sa_flags = SA_SIGINFO | flags};
  sigaction(sig, &a, NULL);
}
static sigset_t of(int sig) {
  sigset_t s;
  sigemptyset(&s), sigaddset(&s, sig);
  return s;
}
static void child(const char *name, void (*f)(void)) {
  int st;
  pid_t pid = fork();
  if (!pid) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    alarm(20);
    f();
    _exit(0);
  }
  while (waitpid(pid, &st, 0) != pid) {}
  if (WIFSIGNALED(st)) printf("%s: killed by %d\n", name, WTERMSIG(st));
  else printf("%s: exit %d\n", name, WEXITSTATUS(st));
}

static void senders(void) {
  set(SIGUSR1, note, 0);
  kill(getpid(), SIGUSR1);
  printf("kill: code %d pid %d uid %d errno %d\n", last.si_code, last.si_pid == getpid(), last.si_uid == getuid(), last.si_errno);
  pthread_kill(pthread_self(), SIGUSR1);
  printf("tgkill: code %d pid %d\n", last.si_code, last.si_pid == getpid());
  sigqueue(getpid(), SIGUSR1, (union sigval){.sival_ptr = (void *)0x123456789abc});
  printf("sigqueue: code %d value %d pid %d\n", last.si_code, last.si_value.sival_ptr == (void *)0x123456789abc, last.si_pid == getpid());
  siginfo_t own = {.si_signo = 99, .si_errno = 7, .si_code = -77};
  own.si_pid = 5, own.si_uid = 6, own.si_int = 8;
  R(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &own));
  printf("own: signo %d code %d errno %d pid %d uid %d int %d\n", last.si_signo, last.si_code, last.si_errno, last.si_pid, last.si_uid, last.si_int);
  own.si_code = SI_USER;
  R(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &own));
  R(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 65, &own));
  // A timer: its id, its value, how often it expired meanwhile.
  sigset_t s = of(SIGUSR1);
  timer_t t;
  struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 31};
  struct itimerspec often = {{0, 1000000}, {0, 1000000}};
  timer_create(CLOCK_MONOTONIC, &e, &t);
  sigprocmask(SIG_BLOCK, &s, NULL);
  timer_settime(t, 0, &often, NULL);
  nap(30);
  sigprocmask(SIG_UNBLOCK, &s, NULL);
  printf("timer: code %d value %d id %d overruns %d\n", last.si_code, last.si_value.sival_int, last.si_timerid == (int)(intptr_t)t, last.si_overrun >= 10);
  timer_delete(t);
  // A message queue.
  struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8};
  mqd_t q = mq_open("/rf-sigdetail", O_RDWR | O_CREAT, 0600, &attr);
  if (q >= 0) {
    mq_unlink("/rf-sigdetail");
    e.sigev_value.sival_int = 32;
    mq_notify(q, &e), mq_send(q, "x", 1, 0);
    printf("queue: code %d value %d pid %d\n", last.si_code, last.si_value.sival_int, last.si_pid == getpid());
  }
  // A descriptor that is ready.
  int p[2];
  pipe(p);
  set(SIGRTMIN + 3, note, 0);
  fcntl(p[0], F_SETOWN, getpid()), fcntl(p[0], F_SETSIG, SIGRTMIN + 3), fcntl(p[0], F_SETFL, O_ASYNC);
  hits = 0;
  write(p[1], "x", 1);
  printf("descriptor: hits %d code %d band %lx fd %d\n", hits, last.si_code, (long)last.si_band, last.si_fd == p[0]);
}

static void children(void) {
  set(SIGCHLD, note, SA_RESTART);
  int st;
  siginfo_t w;
  for (int kind = 0; kind < 5; kind++) {
    hits = 0;
    pid_t pid = fork();
    if (!pid) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      if (kind == 0) _exit(300);
      if (kind == 1) raise(SIGTERM);
      if (kind == 2) abort();
      if (kind == 3) raise(SIGSTOP), _exit(9);
      raise(SIGKILL);
    }
    while (!hits) usleep(500);
    printf("child: code %d status %d pid %d uid %d\n", last.si_code, last.si_status, last.si_pid == pid, last.si_uid == getuid());
    if (kind == 3) {
      memset(&w, 0, sizeof w);
      waitid(P_PID, pid, &w, WSTOPPED | WNOWAIT);
      printf("  waitid: signo %d code %d status %d\n", w.si_signo, w.si_code, w.si_status);
      kill(pid, SIGCONT);
      waitid(P_PID, pid, &w, WEXITED | WNOWAIT);
    } else
      waitid(P_PIDFD, syscall(SYS_pidfd_open, pid, 0), &w, WEXITED | WNOWAIT);
    printf("  waitid: signo %d code %d status %d pid %d\n", w.si_signo, w.si_code, w.si_status, w.si_pid == pid);
    waitpid(pid, &st, 0);
    printf("  status %x\n", st);
  }
  signal(SIGCHLD, SIG_DFL);
}

// Standard signals before real-time ones, the lower number first, values of one number in the order that they were sent.
static char order[200];
static void in_order(int s, siginfo_t *i, void *c) {
  (void)c;
  sprintf(order + strlen(order), " %d:%d", s >= SIGRTMIN ? 1000 + s - SIGRTMIN : s, i->si_value.sival_int);
}
static void queueing(void) {
  sigset_t all, before;
  sigfillset(&all);
  int sig[] = {SIGRTMIN + 4, SIGUSR2, SIGRTMIN + 1, SIGRTMIN + 4, SIGUSR1, SIGRTMIN + 1, SIGUSR1, SIGRTMIN + 4};
  for (int i = 0; i < 8; i++) {
    struct sigaction a = {.sa_sigaction = in_order, .sa_flags = SA_SIGINFO, .sa_mask = all};
    sigaction(sig[i], &a, NULL);
  }
  sigprocmask(SIG_BLOCK, &all, &before);
  for (int i = 0; i < 8; i++) sigqueue(getpid(), sig[i], (union sigval){.sival_int = i});
  sigprocmask(SIG_SETMASK, &before, NULL);
  // Handlers are entered one above the other where nothing keeps them from it: the last runs first.
  printf("order:%s\n", order);
  struct rlimit few = {5, 5};
  setrlimit(RLIMIT_SIGPENDING, &few);
  sigprocmask(SIG_BLOCK, &all, NULL);
  int n = 0;
  if (setresuid(65534, 65534, 65534) == 0 || getuid())
    while (n < 1000 && !sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = n})) n++;
  printf("pending: %d then %s; kill still goes: %d\n", n < 6, err(), kill(getpid(), SIGUSR1));
}

// Nested handlers, SA_NODEFER, SA_RESETHAND, and masks inside.
static volatile int depth, deepest;
static void nest(int s, siginfo_t *i, void *c) {
  (void)i, (void)c;
  if (++depth > deepest) deepest = depth;
  if (deepest++ < 40) raise(s);
  depth--;
}
static void inner(int s, siginfo_t *i, void *c) {
  (void)i, (void)c;
  sigset_t now;
  sigprocmask(SIG_BLOCK, NULL, &now);
  printf("in %d: usr1 %d usr2 %d\n", s, sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
}
static sigjmp_buf back;
static void leap(int s, siginfo_t *i, void *c) { (void)i, (void)c, siglongjmp(back, s); }
static void handlers(void) {
  set(SIGUSR1, nest, SA_NODEFER);
  raise(SIGUSR1);
  printf("nested: %d\n", deepest);
  deepest = 0;
  set(SIGUSR1, nest, 0);
  deepest = 39;
  raise(SIGUSR1);
  printf("deferred: %d\n", deepest);
  struct sigaction a = {.sa_sigaction = inner, .sa_flags = SA_SIGINFO | SA_RESETHAND, .sa_mask = of(SIGUSR2)}, now;
  sigaction(SIGUSR1, &a, NULL);
  raise(SIGUSR1);
  sigaction(SIGUSR1, NULL, &now);
  printf("reset: %d\n", now.sa_handler == SIG_DFL);
  set(SIGUSR2, leap, 0);
  int n = 0;
  for (int i = 0; i < 200; i++)
    if (sigsetjmp(back, 1)) n++;
    else raise(SIGUSR2);
  sigset_t m;
  sigprocmask(SIG_BLOCK, NULL, &m);
  printf("out of handlers: %d blocked %d\n", n, sigismember(&m, SIGUSR2));
}

// A handler changes what it returns to: mask, and the alternate stack comes back.
static void change(int s, siginfo_t *i, void *c) { (void)s, (void)i, sigaddset(&((ucontext_t *)c)->uc_sigmask, SIGUSR2); }
static void changes(void) {
  set(SIGUSR1, change, 0);
  raise(SIGUSR1);
  sigset_t m;
  sigprocmask(SIG_BLOCK, NULL, &m);
  printf("mask from the frame: %d %d\n", sigismember(&m, SIGUSR1), sigismember(&m, SIGUSR2));
}

// No room for a frame: SIGSEGV, on the alternate stack if there is one, death if not.
static char *small;
static void on_stack(int s, siginfo_t *i, void *c) {
  (void)c;
  printf("  handler %d code %d\n", s, i->si_code);
  fflush(stdout);
  _exit(3);
}
static void *overflow(void *unused) {
  volatile char here[64];
  memset((char *)here, 1, sizeof here);
  // Go to the end of the stack by hand: then a signal finds no room.
  for (int i = 0; i < 100; i++) raise(SIGUSR1);
  return unused;
}
static int deep(int n) {
  volatile char big[1024];
  big[n & 1023] = n;
  return deep(n + 1) + big[0];
}
static void no_room(void) { deep(0); }
static void no_room_with_handler(void) {
  set(SIGSEGV, on_stack, 0);
  deep(0);
}
static void room_elsewhere(void) {
  stack_t st = {.ss_sp = malloc(65536), .ss_size = 65536};
  sigaltstack(&st, NULL);
  set(SIGSEGV, on_stack, SA_ONSTACK);
  deep(0);
}
static void alternate_too_small(void) {
  // The handler itself runs out of its stack.
  char *m = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(m, 4096, PROT_NONE);
  stack_t st = {.ss_sp = m + 4096, .ss_size = 4 * 4096};
  sigaltstack(&st, NULL);
  set(SIGSEGV, nest, SA_ONSTACK | SA_NODEFER);
  deepest = -1000000;
  raise(SIGSEGV);
}
static void alternate_gone(void) {
  char *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t st = {.ss_sp = m, .ss_size = 65536};
  sigaltstack(&st, NULL);
  munmap(m, 65536);
  set(SIGUSR1, note, SA_ONSTACK);
  set(SIGSEGV, on_stack, 0);
  raise(SIGUSR1);
}

// Frames that a program spoils: SIGSEGV, as if the return itself had faulted.
static int spoil_kind;
static void spoil(int s, siginfo_t *i, void *c) {
  (void)s, (void)i;
  ucontext_t *u = c;
#ifdef __aarch64__
  if (spoil_kind == 0) u->uc_mcontext.pc = 0x10;
  if (spoil_kind == 1) u->uc_mcontext.sp = 0x10;
  if (spoil_kind == 2) u->uc_mcontext.pc = 1UL << 52;
#else
  if (spoil_kind == 0) u->uc_mcontext.gregs[REG_RIP] = 0x10;
  if (spoil_kind == 1) u->uc_mcontext.gregs[REG_RSP] = 0x10;
  if (spoil_kind == 2) u->uc_mcontext.gregs[REG_RIP] = 1L << 52;
#endif
}
static void spoiled(void) {
  set(SIGUSR1, spoil, 0);
  raise(SIGUSR1);
  // Whoever gets here has used the stack that isn't there.
  volatile char big[4096];
  memset((char *)big, 0, sizeof big);
}
static void spoil_pc(void) { spoil_kind = 0, spoiled(); }
static void spoil_sp(void) { spoil_kind = 1, spoiled(); }
static void spoil_canonical(void) { spoil_kind = 2, spoiled(); }
static void stray_return(void) { syscall(SYS_rt_sigreturn); }

int main(void) {
  enter();
  senders();
  children();
  child("queueing", queueing);
  handlers();
  child("changes", changes);
  child("no room", no_room);
  child("no room with handler", no_room_with_handler);
  child("room elsewhere", room_elsewhere);
  child("alternate too small", alternate_too_small);
  child("alternate gone", alternate_gone);
  child("spoiled pc", spoil_pc);
  child("spoiled sp", spoil_sp);
  child("spoiled pc, impossible", spoil_canonical);
  child("stray return", stray_return);
}
