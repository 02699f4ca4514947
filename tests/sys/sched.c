// Scheduling, priorities, NUMA, and what one may know of other processes.
#include "sys.h"
#include "numbers.h"
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>

struct attr {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

static void policies(void) {
  struct sched_param p = {0}, q = {9};
  struct attr a = {.size = sizeof a, .policy = SCHED_BATCH, .nice = 3};
  R(sched_getscheduler(0)), R(sched_getscheduler(-1)), R(sched_getscheduler(1 << 30));
  R(sched_setparam(0, &p)), R(sched_setparam(0, &q)), R(sched_setparam(-1, &p)), R(sched_setparam(0, NULL));
  R(sched_getparam(0, &q)), R(sched_getparam(-1, &q)), R(syscall(SYS_sched_getparam, 0, BAD));
  printf("%d\n", q.sched_priority);
  R(syscall(SYS_sched_setattr, 0, &a, 0)), R(syscall(SYS_sched_setattr, 0, NULL, 0)), R(syscall(SYS_sched_setattr, 0, &a, 1));
  memset(&a, 0, sizeof a);
  R(syscall(SYS_sched_getattr, 0, &a, sizeof a, 0)), R(syscall(SYS_sched_getattr, 0, &a, 3, 0));
  printf("%u %u %d\n", a.size, a.policy, a.nice);
  R(sched_getscheduler(0));
  R(sched_setscheduler(0, SCHED_OTHER, &p)), R(sched_setscheduler(0, 77, &p));
  R(sched_yield());
  R(sched_get_priority_max(SCHED_FIFO)), R(sched_get_priority_min(SCHED_FIFO));
  R(sched_get_priority_max(77)), R(sched_get_priority_min(77));
  struct timespec t;
  OK(sched_rr_get_interval(0, &t)), R(sched_rr_get_interval(-1, &t));
  unsigned cpu = -1, node = -1;
  R(syscall(SYS_getcpu, &cpu, &node, NULL)), R(syscall(SYS_getcpu, BAD, NULL, NULL));
  IS(cpu < 4096 && node < 64);
  cpu_set_t set;
  CPU_ZERO(&set);
  R(sched_setaffinity(0, sizeof set, &set)), R(sched_setaffinity(1 << 30, sizeof set, &set));
  IS(syscall(SYS_sched_getaffinity, 0, sizeof set, &set) > 0);
  R(syscall(SYS_sched_getaffinity, 0, 1, &set)), R(syscall(SYS_sched_getaffinity, 0, sizeof set, BAD));
}

static void priorities(void) {
  R(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 5)), R(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 5));
  R(syscall(SYS_ioprio_set, 9, 0, 0)), R(syscall(SYS_ioprio_get, 9, 0)), R(syscall(SYS_ioprio_set, 1, 0, 7 << 13));
  R(syscall(SYS_ioprio_get, 1, 1 << 30));
  R(setpriority(PRIO_PROCESS, 0, 5)), R(syscall(SYS_getpriority, PRIO_PROCESS, 0)), R(setpriority(9, 0, 5)), R(syscall(SYS_getpriority, 9, 0));
  struct rlimit l;
  R(syscall(SYS_getrlimit, RLIMIT_NOFILE, &l)), R(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l));
  R(syscall(SYS_getrlimit, 99, &l)), R(syscall(SYS_setrlimit, 99, &l)), R(syscall(SYS_getrlimit, 0, BAD)), R(syscall(SYS_setrlimit, 0, BAD));
  l.rlim_cur = 10, l.rlim_max = 5;
  R(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l));
  struct rusage u;
  R(getrusage(RUSAGE_SELF, &u)), R(getrusage(99, &u)), R(syscall(SYS_sysinfo, BAD));
  R(syscall(SYS_times, BAD));
  IS(umask(0) == 022);
}

static void memory_nodes(void) {
  char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned long mask[16] = {1}, none[16] = {};
  int mode = -1, status[1] = {77};
  void *pages[1] = {p};
  p[0] = 1;
  R(syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 0L));
  printf("%d\n", mode);
  R(syscall(SYS_get_mempolicy, BAD, NULL, 0L, NULL, 0L)), R(syscall(SYS_get_mempolicy, &mode, NULL, 0L, NULL, 77L));
  R(syscall(SYS_set_mempolicy, 2, mask, 1024L)), R(syscall(SYS_get_mempolicy, &mode, none, 1024L, NULL, 0L));
  printf("%d %lx\n", mode, none[0]);
  R(syscall(SYS_set_mempolicy, 0, NULL, 0L)), R(syscall(SYS_set_mempolicy, 99, NULL, 0L)), R(syscall(SYS_set_mempolicy, 2, BAD, 1024L));
  R(syscall(SYS_mbind, p, 1 << 16, 2, mask, 1024L, 0)), R(syscall(SYS_mbind, p + 1, 4096, 2, mask, 1024L, 0)), R(syscall(SYS_mbind, p, 4096, 99, NULL, 0L, 0));
  R(syscall(NR_set_mempolicy_home_node, p, 1 << 16, 0L, 0L)), R(syscall(NR_set_mempolicy_home_node, p, 1 << 16, 0L, 9L));
  R(syscall(SYS_migrate_pages, 0, 1024L, mask, mask)), R(syscall(SYS_migrate_pages, 1 << 30, 1024L, mask, mask)), R(syscall(SYS_migrate_pages, 0, 1024L, BAD, mask));
  R(syscall(SYS_move_pages, 0, 1L, pages, NULL, status, 0));
  printf("%d\n", status[0]);
  R(syscall(SYS_move_pages, 0, 1L, BAD, NULL, status, 0)), R(syscall(SYS_move_pages, 0, 1L, pages, NULL, status, 0x100));
  R(mlock2(p, 4096, MLOCK_ONFAULT)), R(mlock2(p, 4096, 99)), R(mlock2(BAD, 4096, 0));
  R(munlock(p, 4096)), R(munlockall());
  R(syscall(SYS_remap_file_pages, p, 4096L, 0, 0L, 0)), R(syscall(SYS_remap_file_pages, p, 4096L, 1, 0L, 0));
  R(mincore(p, 4096, BAD)), R(mincore(p + 1, 4096, (void *)status));
}

static void others(void) {
  pid_t child = fork();
  if (!child) {
    pause();
    _exit(0);
  }
  void *head;
  size_t len;
  R(syscall(SYS_get_robust_list, 0, &head, &len)), printf("%zu\n", len);
  R(syscall(SYS_get_robust_list, 1 << 30, &head, &len)), R(syscall(SYS_get_robust_list, 0, BAD, &len));
  R(syscall(SYS_set_robust_list, NULL, 24L)), R(syscall(SYS_set_robust_list, NULL, 25L));
  int a = open("/dev/null", O_RDONLY), b = dup(a), c = open("/dev/null", O_RDONLY);
  R(syscall(SYS_kcmp, getpid(), getpid(), 0, (long)a, (long)b));
  IS(syscall(SYS_kcmp, getpid(), getpid(), 0, (long)a, (long)c) > 0);
  R(syscall(SYS_kcmp, getpid(), getpid(), 99, 0L, 0L)), R(syscall(SYS_kcmp, 1 << 30, getpid(), 0, 0L, 0L)), R(syscall(SYS_kcmp, getpid(), getpid(), 0, 99L, 98L));
  int fd;
  OK(fd = syscall(NR_pidfd_open, child, 0)), R(syscall(NR_pidfd_open, -1, 0)), R(syscall(NR_pidfd_open, child, 0x77));
  OK(syscall(NR_pidfd_getfd, fd, 0, 0)), R(syscall(NR_pidfd_getfd, fd, 99, 0)), R(syscall(NR_pidfd_getfd, a, 0, 0));
  R(syscall(NR_pidfd_send_signal, fd, 0, NULL, 0)), R(syscall(NR_pidfd_send_signal, fd, 99, NULL, 0)), R(syscall(NR_pidfd_send_signal, a, 0, NULL, 0));
  static char page[4096] __attribute__((aligned(4096)));
  struct { void *at; size_t n; } v = {page, 4096};
  R(syscall(NR_process_madvise, syscall(NR_pidfd_open, getpid(), 0), &v, 1L, 20, 0)); // MADV_COLD
  R(syscall(NR_process_madvise, a, &v, 1L, 20, 0)), R(syscall(NR_process_madvise, fd, &v, 1L, 99, 0));
  R(syscall(NR_process_mrelease, fd, 0)), R(syscall(NR_process_mrelease, fd, 1));
  R(syscall(NR_pidfd_send_signal, fd, SIGKILL, NULL, 0));
  R(waitid(P_PID, child, NULL, WEXITED | 0x10000)), R(waitid(P_PID, child, NULL, WEXITED)), R(waitid(P_PID, child, NULL, WEXITED));
  IS(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) > 0);
  R(syscall(SYS_membarrier, 1 << 20, 0, 0)), R(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0)), R(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 99, 0));
}

static void signals(void) {
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  R(kill(getpid(), 0)), R(kill(1 << 30, 0)), R(kill(getpid(), 99));
  R(syscall(SYS_tkill, getpid(), 0)), R(syscall(SYS_tkill, -1, 0)), R(syscall(SYS_tkill, 1 << 30, 0));
  R(syscall(SYS_tgkill, getpid(), getpid(), 0)), R(syscall(SYS_tgkill, -1, 1, 0)), R(syscall(SYS_tgkill, getpid(), getpid(), 99));
  R(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info)), R(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, BAD));
  R(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &info)), R(syscall(SYS_rt_tgsigqueueinfo, -1, 1, SIGUSR1, &info));
  info.si_code = SI_USER;
  R(syscall(SYS_rt_sigqueueinfo, getppid(), SIGUSR1, &info));
  R(syscall(SYS_rt_sigpending, &set, 8L)), R(syscall(SYS_rt_sigpending, BAD, 8L)), R(syscall(SYS_rt_sigpending, &set, 99L));
  R(sigismember(&set, SIGUSR1));
  // Of two fault signals that were sent the first one stays.
  sigset_t segv;
  sigemptyset(&segv), sigaddset(&segv, SIGSEGV);
  sigprocmask(SIG_BLOCK, &segv, NULL);
  R(sigqueue(getpid(), SIGSEGV, (union sigval){.sival_int = 1})), R(sigqueue(getpid(), SIGSEGV, (union sigval){.sival_int = 2}));
  R(sigwaitinfo(&segv, &info));
  printf("%d\n", info.si_value.sival_int);
  struct timespec now = {0, 0};
  R(sigtimedwait(&segv, &info, &now));
  timer_t t;
  struct sigevent ev = {.sigev_notify = SIGEV_NONE};
  R(timer_create(CLOCK_MONOTONIC, &ev, &t)), R(timer_getoverrun(t)), R(syscall(SYS_timer_getoverrun, 99)), R(timer_delete(t));
  struct itimerspec i;
  int fd = timerfd_create(CLOCK_MONOTONIC, 0);
  R(timerfd_gettime(fd, &i)), R(timerfd_gettime(-1, &i)), R(syscall(SYS_timerfd_gettime, fd, BAD));
  struct timeval tv;
  R(gettimeofday(&tv, NULL)), R(syscall(SYS_gettimeofday, BAD, NULL));
  R(syscall(SYS_set_tid_address, &fd) == getpid());
  R(syscall(SYS_restart_syscall));
}

int main(void) {
  enter();
  policies(), priorities(), memory_nodes(), others(), signals();
  return 0;
}
