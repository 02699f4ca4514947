// Calls of the last years: mounts as data, attributes of files, security modules, Landlock, futexes anew. A kernel that lacks one refuses it to both.
#include "sys.h"
#include "numbers.h"
#include <linux/futex.h>
#include <linux/mount.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>

// --- futexes ---
struct waitv {
  uint64_t value, address;
  uint32_t flags, reserved;
};
enum { U32 = 2, PRIVATE = 128 };
#define ALL 0xffffffffL
static uint32_t word[4];
static int done;

static void *waiter(void *arg) {
  struct waitv w[2] = {{0, (uintptr_t)&word[0], U32 | PRIVATE}, {0, (uintptr_t)&word[1], U32 | PRIVATE}};
  long r = arg ? syscall(NR_futex_waitv, w, 2, 0, NULL, 0) : syscall(NR_futex_wait, &word[0], 0L, ALL, U32 | PRIVATE, NULL, 0);
  __atomic_store_n(&done, r < 0 ? 100 + errno : 10 + (int)r, __ATOMIC_SEQ_CST);
  return NULL;
}

static void futexes(void) {
  struct timespec past = {0, 1};
  struct waitv w = {1, (uintptr_t)&word[0], U32 | PRIVATE}, wrong = {0, (uintptr_t)&word[0], 99};
  R(syscall(NR_futex_waitv, &w, 1, 0, NULL, 0)), R(syscall(NR_futex_waitv, &wrong, 1, 0, NULL, 0)), R(syscall(NR_futex_waitv, BAD, 1, 0, NULL, 0));
  R(syscall(NR_futex_waitv, &w, 0, 0, NULL, 0));
  w.value = 0;
  R(syscall(NR_futex_waitv, &w, 1, 0, &past, CLOCK_MONOTONIC));
  R(syscall(NR_futex_wait, &word[0], 1L, ALL, U32 | PRIVATE, NULL, 0)), R(syscall(NR_futex_wait, &word[0], 0L, ALL, U32 | PRIVATE, &past, CLOCK_MONOTONIC));
  R(syscall(NR_futex_wait, BAD, 0L, ALL, U32 | PRIVATE, &past, CLOCK_MONOTONIC)), R(syscall(NR_futex_wake, &word[0], ALL, 1, 99));
  R(syscall(NR_futex_wake, &word[3], ALL, 1, U32 | PRIVATE));
  struct waitv pair[2] = {{0, (uintptr_t)&word[0], U32 | PRIVATE}, {0, (uintptr_t)&word[1], U32 | PRIVATE}};
  R(syscall(NR_futex_requeue, pair, 0, 1, 1)), R(syscall(NR_futex_requeue, BAD, 0, 1, 1)), R(syscall(NR_futex_requeue, pair, 1, 1, 1));
  for (long many = 0; many < 2; many++) {
    pthread_t t;
    done = 0;
    pthread_create(&t, NULL, waiter, (void *)many);
    // A kernel without these calls makes the waiter come back at once.
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST)) {
      if (syscall(NR_futex_wake, &word[many], ALL, 1, U32 | PRIVATE) < 0) syscall(SYS_futex, &word[many], FUTEX_WAKE | PRIVATE, 1);
      sched_yield();
    }
    pthread_join(t, NULL);
    printf("waiter: %d\n", done);
  }
}

// --- mounts ---
static void mounts(void) {
  struct { uint32_t size, spare; uint64_t id, param, ns; } request = {32, 0, 0, 0, 0};
  static char buffer[4096];
  struct { uint32_t mask, blk; uint64_t attr; uint32_t nlink, uid, gid; uint16_t mode, s; uint64_t rest[32]; } sx;
  // STATX_MNT_ID_UNIQUE; the id is at byte 144.
  if (!syscall(SYS_statx, AT_FDCWD, "/", 0, 0x4000, &sx)) memcpy(&request.id, (char *)&sx + 144, 8);
  request.param = 2; // STATMOUNT_MNT_BASIC
  R(syscall(NR_statmount, &request, buffer, sizeof buffer, 0)), R(syscall(NR_statmount, &request, buffer, sizeof buffer, 1)), R(syscall(NR_statmount, BAD, buffer, sizeof buffer, 0));
  R(syscall(NR_statmount, &request, buffer, 3, 0));
  request.id = -1ull, request.param = 0; // LSMT_ROOT
  IS(syscall(NR_listmount, &request, buffer, 8, 0) != 0);
  R(syscall(NR_listmount, &request, buffer, 8, 0x10)), R(syscall(NR_listmount, BAD, buffer, 8, 0));
  R(syscall(NR_open_tree, AT_FDCWD, "none", 0)), R(syscall(NR_open_tree, AT_FDCWD, "/", 0x77777));
  R(syscall(NR_move_mount, -1, "", -1, "", 0x1000)), R(syscall(NR_move_mount, AT_FDCWD, "none", AT_FDCWD, "none", 0));
  R(syscall(NR_fsmount, -1, 0, 0)), R(syscall(NR_fsmount, 0, 99, 0)), R(syscall(NR_fspick, AT_FDCWD, "none", 0)), R(syscall(NR_fspick, AT_FDCWD, "/", 0x7777));
  struct mount_attr a = {};
  int tree;
  OK(tree = syscall(NR_open_tree_attr, AT_FDCWD, "/", 0, NULL, 0L)), R(syscall(NR_open_tree_attr, AT_FDCWD, "none", 0, NULL, 0L)), R(syscall(NR_open_tree_attr, AT_FDCWD, "/", 0, &a, 3L));
}

// --- files, security ---
static void files(void) {
  struct { uint64_t xflags; uint32_t extsize, nextents, projid, cowextsize; } a = {};
  put("f", "x");
  R(syscall(NR_file_getattr, AT_FDCWD, "f", &a, sizeof a, 0)), R(syscall(NR_file_getattr, AT_FDCWD, "none", &a, sizeof a, 0)), R(syscall(NR_file_getattr, AT_FDCWD, "f", &a, 3L, 0));
  R(syscall(NR_file_setattr, AT_FDCWD, "f", &a, sizeof a, 0)), R(syscall(NR_file_setattr, AT_FDCWD, "none", &a, sizeof a, 0)), R(syscall(NR_file_setattr, AT_FDCWD, "f", BAD, sizeof a, 0));
  static char buffer[4096];
  uint32_t size = sizeof buffer, small = 1;
  uint64_t ids[16];
  OK(syscall(NR_lsm_list_modules, ids, &size, 0)), R(syscall(NR_lsm_list_modules, ids, &small, 0)), R(syscall(NR_lsm_list_modules, ids, &size, 1));
  size = sizeof buffer;
  OK(syscall(NR_lsm_get_self_attr, 100, buffer, &size, 0)), R(syscall(NR_lsm_get_self_attr, 0, buffer, &size, 0)), R(syscall(NR_lsm_get_self_attr, 100, buffer, NULL, 0));
  R(syscall(NR_lsm_set_self_attr, 100, buffer, 0, 0)), R(syscall(NR_lsm_set_self_attr, 100, BAD, 64, 0));
}

static void landlock(void) {
  struct { uint64_t fs, net; } rules = {1 << 1, 0}; // writing
  OK(syscall(NR_landlock_create_ruleset, NULL, 0L, 1)), R(syscall(NR_landlock_create_ruleset, NULL, 0L, 0)), R(syscall(NR_landlock_create_ruleset, &rules, 3L, 0));
  int fd;
  OK(fd = syscall(NR_landlock_create_ruleset, &rules, 8L, 0));
  R(syscall(NR_landlock_restrict_self, -1, 0)), R(syscall(NR_landlock_restrict_self, fd, 0x7777));
  R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  R(syscall(NR_landlock_restrict_self, fd, 0));
  R(open("f", O_WRONLY)), OK(open("f", O_RDONLY));
}

int main(void) {
  enter();
  futexes(), mounts(), files();
  fflush(stdout);
  if (!fork()) landlock(), fflush(stdout), _exit(0);
  wait(NULL);
  return 0;
}
