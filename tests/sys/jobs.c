// Job control: stops and their reports, process groups, sessions, orphans, and a terminal with a shell-like parent on it.
#include "sys.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>

static void report_status(const char *what, pid_t pid, int options) {
  int st = 0;
  pid_t r = waitpid(pid, &st, options);
  if (r != pid) printf("%s: %s\n", what, r < 0 ? err() : "nothing");
  else if (WIFSTOPPED(st)) printf("%s: stopped by %d\n", what, WSTOPSIG(st));
  else if (WIFCONTINUED(st)) printf("%s: continued\n", what);
  else if (WIFSIGNALED(st)) printf("%s: killed by %d\n", what, WTERMSIG(st));
  else printf("%s: exit %d\n", what, WEXITSTATUS(st));
}
static volatile int conts, tstps, usr1s;
static void on_cont(int s) { (void)s, conts++; }
static void on_tstp(int s) {
  (void)s, tstps++;
  // As editors do it: clean up, stop by default, and go on here when continued.
  signal(SIGTSTP, SIG_DFL);
  sigset_t m;
  sigemptyset(&m), sigaddset(&m, SIGTSTP);
  kill(getpid(), SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &m, NULL);
  signal(SIGTSTP, on_tstp);
}
static void on_usr1(int s) { (void)s, usr1s++; }
static void *spins(void *unused) {
  for (volatile long i = 0;; i++) {}
  return unused;
}

// Stopped in a call, in a loop, with threads; a stop is one for all threads, and a continued call goes on.
static void stops(void) {
  int p[2];
  for (int kind = 0; kind < 4; kind++) {
    pipe(p);
    pid_t pid = fork();
    if (!pid) {
      char c = 0;
      pthread_t t;
      signal(SIGCONT, on_cont);
      if (kind == 2) pthread_create(&t, NULL, spins, NULL), pthread_create(&t, NULL, spins, NULL);
      if (kind == 3) signal(SIGCONT, SIG_DFL);
      if (kind == 1) while (!conts) {}
      // Not before the parent has seen it go on: an exit would hide that.
      int r = read(p[0], &c, 1);
      if (r < 0 && errno == EINTR) r = read(p[0], &c, 1);
      _exit(r == 1 ? 10 + kind : 99);
    }
    nap(20);
    kill(pid, SIGSTOP);
    report_status("stop", pid, WUNTRACED);
    report_status("again", pid, WUNTRACED | WNOHANG);
    kill(pid, SIGCONT);
    report_status("continue", pid, WCONTINUED);
    write(p[1], "x", 1);
    report_status("end", pid, 0);
    close(p[0]), close(p[1]);
  }
}
static void self_stops(void) {
  static const int sigs[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
  for (int i = 0; i < 4; i++) {
    pid_t pid = fork();
    if (!pid) {
      setpgid(0, 0);
      raise(sigs[i]);
      _exit(20 + i);
    }
    setpgid(pid, pid);
    report_status("stopped itself", pid, WUNTRACED);
    kill(pid, SIGCONT);
    report_status("end", pid, 0);
  }
  pid_t pid = fork();
  if (!pid) {
    setpgid(0, 0);
    signal(SIGTSTP, on_tstp);
    raise(SIGTSTP);
    _exit(tstps == 1 ? 30 : 31);
  }
  setpgid(pid, pid);
  report_status("cleans up", pid, WUNTRACED);
  kill(pid, SIGCONT);
  report_status("end", pid, 0);
  // A stopped process dies by SIGKILL at once, by others when it goes on.
  pid = fork();
  if (!pid) raise(SIGSTOP), _exit(1);
  report_status("stopped", pid, WUNTRACED);
  kill(pid, SIGTERM);
  nap(10);
  report_status("still", pid, WNOHANG);
  kill(pid, SIGCONT);
  report_status("end", pid, 0);
  pid = fork();
  if (!pid) raise(SIGSTOP), _exit(1);
  report_status("stopped", pid, WUNTRACED);
  kill(pid, SIGKILL);
  report_status("end", pid, 0);
}

// An orphaned group that has a stopped member gets SIGHUP and SIGCONT; and SIGTSTP doesn't stop one.
static void orphans(void) {
  int p[2];
  pipe(p);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  pid_t middle = fork(), inner = 0;
  if (!middle) {
    setsid();
    inner = fork();
    if (!inner) {
      setpgid(0, 0);
      signal(SIGHUP, on_usr1), signal(SIGCONT, on_cont);
      pid_t me = getpid();
      write(p[1], &me, sizeof me);
      raise(SIGSTOP);
      while (!conts || !usr1s) nap(1);
      raise(SIGTSTP);
      _exit(40);
    }
    int st;
    waitpid(inner, &st, WUNTRACED);
    _exit(WIFSTOPPED(st) ? 0 : 1);
  }
  read(p[0], &inner, sizeof inner);
  report_status("middle", middle, 0);
  report_status("orphan", inner, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static void sessions(void) {
  pid_t pid = fork();
  if (!pid) {
    R(setsid() == getpid());
    R(setsid());
    R(setpgid(0, 0));
    R(getpgrp() == getpid() && getsid(0) == getpid());
    R(tcgetpgrp(0));
    R(open("/dev/tty", O_RDWR));
    pid_t c = fork();
    if (!c) pause();
    R(setpgid(c, c));
    R(getpgid(c) == c);
    R(setpgid(c, 1));
    R(kill(-c, SIGTERM));
    report_status("group", c, 0);
    _exit(0);
  }
  report_status("session", pid, 0);
}

// A terminal: its foreground group gets the keys' signals and the hang-up; others stop when they touch it.
static int master;
static void type(const char *s) { write(master, s, strlen(s)); }
static void terminal(void) {
  master = posix_openpt(O_RDWR | O_NOCTTY);
  if (grantpt(master) || unlockpt(master)) return;
  const char *name = ptsname(master);
  pid_t leader = fork();
  if (!leader) {
    setsid();
    int tty = open(name, O_RDWR), st;
    close(master);
    R(ioctl(tty, TIOCSCTTY, 0));
    IS(tcgetsid(tty) == getpid());
    signal(SIGTTOU, SIG_IGN);
    // Each key to a job in the foreground.
    static const char *const say[] = {"INT", "QUIT", "TSTP"};
    for (int i = 0; i < 4; i++) {
      pid_t job = fork();
      if (!job) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        char c;
        if (i == 3) raise(SIGSTOP), read(tty, &c, 1), _exit(55);
        while (tcgetpgrp(tty) != getpid()) nap(1);
        for (;;) read(tty, &c, 1);
      }
      setpgid(job, job);
      if (i < 3) {
        tcsetpgrp(tty, job);
        IS(tcgetpgrp(tty) == job);
        nap(30);
        printf("key %s\n", say[i]);
        // The other end types.
        kill(getppid(), SIGUSR1);
      } else {
        // In the background, reading stops it.
        waitpid(job, &st, WUNTRACED);
        kill(job, SIGCONT);
      }
      report_status("job", job, WUNTRACED);
      tcsetpgrp(tty, getpgrp());
      kill(job, SIGKILL), kill(job, SIGCONT);
      waitpid(job, &st, 0);
    }
    // In the background with TOSTOP, writing stops, too.
    struct termios t;
    tcgetattr(tty, &t), t.c_lflag |= TOSTOP, tcsetattr(tty, TCSANOW, &t);
    pid_t job = fork();
    if (!job) {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_DFL);
      write(tty, "x", 1);
      _exit(56);
    }
    setpgid(job, job);
    report_status("writer", job, WUNTRACED);
    tcsetpgrp(tty, job);
    kill(-job, SIGCONT);
    report_status("writer", job, 0);
    tcsetpgrp(tty, getpgrp());
    // The size changes: SIGWINCH to the foreground.
    signal(SIGWINCH, on_usr1);
    struct winsize w = {33, 44, 0, 0};
    ioctl(tty, TIOCSWINSZ, &w);
    printf("size: %d\n", usr1s);
    signal(SIGHUP, on_usr1), usr1s = 0;
    kill(getppid(), SIGUSR2);
    while (!usr1s) nap(1);
    char c;
    printf("hung up: read %d\n", (int)read(tty, &c, 1));
    _exit(50);
  }
  sigset_t s;
  int sig;
  sigemptyset(&s), sigaddset(&s, SIGUSR1), sigaddset(&s, SIGUSR2);
  static const char *const keys[] = {"\003", "\034", "\032"};
  for (int i = 0; sigwait(&s, &sig) == 0 && sig == SIGUSR1; i++) type(keys[i]);
  close(master);
  report_status("leader", leader, 0);
}

int main(void) {
  sigset_t s;
  enter();
  sigemptyset(&s), sigaddset(&s, SIGUSR1), sigaddset(&s, SIGUSR2), sigprocmask(SIG_BLOCK, &s, NULL);
  stops();
  self_stops();
  orphans();
  sessions();
  terminal();
}
