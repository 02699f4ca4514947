// What a process says about itself by prctl, and barriers for all its threads.
#include "sys.h"
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/prctl.h>

static long membarrier(int cmd, unsigned flags, int cpu) { return syscall(SYS_membarrier, cmd, flags, cpu); }

// The classic test of store buffering: with a barrier by the kernel in one thread, a compiler's barrier is enough in the other.
static volatile atomic_int x, y, r1, r2, round_no, done;
static void *fast(void *unused) {
  for (int i = 1; i <= 1500; i++) {
    while (round_no < i) sched_yield();
    atomic_store_explicit(&x, 1, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    r1 = atomic_load_explicit(&y, memory_order_relaxed);
    done = i;
  }
  return unused;
}
static void barriers(void) {
  long commands = membarrier(MEMBARRIER_CMD_QUERY, 0, 0);
  printf("known: %lx\n", commands & 0x7f);
  R(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  R(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  R(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  R(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  R(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
  R(membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
  R(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
  R(membarrier(MEMBARRIER_CMD_GLOBAL, 0, 0));
  R(membarrier(1 << 30, 0, 0));
  R(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 77, 0));
  pthread_t t;
  int both = 0;
  pthread_create(&t, NULL, fast, NULL);
  for (int i = 1; i <= 1500; i++) {
    x = y = 0;
    round_no = i;
    atomic_store_explicit(&y, 1, memory_order_relaxed);
    if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)) break;
    r2 = atomic_load_explicit(&x, memory_order_relaxed);
    while (done < i) sched_yield();
    both += !r1 && !r2;
  }
  pthread_join(t, NULL);
  printf("neither saw the other: %d\n", both);
}

static void *other_thread(void *unused) {
  R(prctl(PR_GET_TIMERSLACK) > 0);
  R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  R(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  return unused;
}
static void options(void) {
  int sig = -1, sub = -1;
  R(prctl(PR_SET_PDEATHSIG, SIGUSR1));
  R(prctl(PR_GET_PDEATHSIG, &sig));
  printf("signal %d\n", sig == SIGUSR1);
  R(prctl(PR_SET_PDEATHSIG, 65));
  R(prctl(PR_GET_PDEATHSIG, BAD));
  pid_t pid = fork();
  if (!pid) {
    prctl(PR_GET_PDEATHSIG, &sig);
    _exit(sig);
  }
  int st;
  waitpid(pid, &st, 0);
  printf("a child's: %d\n", WEXITSTATUS(st));
  R(prctl(PR_SET_PDEATHSIG, 0));
  R(prctl(PR_GET_CHILD_SUBREAPER, &sub));
  R(prctl(PR_SET_CHILD_SUBREAPER, 1));
  R(prctl(PR_GET_CHILD_SUBREAPER, &sub));
  printf("subreaper %d\n", sub);
  R(prctl(PR_GET_DUMPABLE));
  R(prctl(PR_SET_DUMPABLE, 0));
  R(prctl(PR_GET_DUMPABLE));
  R(prctl(PR_SET_DUMPABLE, 2));
  R(prctl(PR_SET_DUMPABLE, 1));
  R(prctl(PR_SET_NAME, BAD));
  R(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
  R(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
  R(prctl(PR_SET_KEEPCAPS, 2, 0, 0, 0));
  R(prctl(PR_SET_TIMERSLACK, 70000, 0, 0, 0));
  R(prctl(PR_GET_TIMERSLACK));
  R(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  R(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
  R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  R(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
  R(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  R(prctl(PR_CAPBSET_READ, 99));
  R(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  R(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
  R(prctl(4711, 0, 0, 0, 0));
  pthread_t t;
  pthread_create(&t, NULL, other_thread, NULL);
  pthread_join(t, NULL);
}

int main(void) {
  enter();
  barriers();
  options();
}
