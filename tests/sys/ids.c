// Changing who one is: ids, groups and capabilities, each in a child. What root may do differs from what others may, but not between machines.
#include "sys.h"
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>

static void in_child(void (*f)(void)) {
  fflush(stdout);
  if (!fork()) f(), fflush(stdout), _exit(0);
  wait(NULL);
}

static void show(void) {
  uid_t r, e, s;
  gid_t g, h, i;
  R(getresuid(&r, &e, &s));
  R(getresgid(&g, &h, &i));
  if (geteuid() < 1000 || geteuid() == 65534) printf("%d %d %d, %d %d %d\n", r, e, s, g, h, i);
}

static void real(void) {
  R(setregid(7, 8)), show();
  R(setreuid(9, 10)), show();
  R(setreuid(0, 0)), R(setregid(0, 0));
  R(setregid(-1, -1));
}
static void one(void) {
  R(setgid(11)), R(setuid(12)), show();
  R(setuid(0)), R(setgid(0));
  R(syscall(SYS_setuid, -1L)), R(syscall(SYS_setgid, -1L));
}
static void three(void) {
  R(setresgid(1, 2, 3)), R(setresuid(4, 5, 6)), show();
  R(setresuid(6, 6, 6)), R(setresuid(5, 5, 5)), R(setresgid(9, 9, 9));
}
static void files(void) {
  // The value is what it was before, and no error is ever told.
  IS(setfsgid(13) == (int)getegid());
  IS(setfsuid(14) == (int)geteuid());
  IS(setfsuid(-1) == 14 || geteuid());
  IS(setfsgid(-1) == 13 || geteuid());
}
static void groups(void) {
  gid_t g[3] = {21, 22, 23}, got[8];
  R(setgroups(3, g));
  long n = getgroups(8, got);
  IS(n >= 0);
  if (n == 3) printf("%d %d %d\n", got[0], got[1], got[2]);
  R(getgroups(1, got) > 1);
  R(syscall(SYS_getgroups, 8, BAD));
  R(syscall(SYS_setgroups, 1, BAD));
  R(syscall(SYS_setgroups, 1 << 20, g));
  R(setgroups(0, NULL));
  R(getgroups(0, NULL));
}
static void capabilities(void) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2] = {};
  R(syscall(SYS_capset, &h, d)); // nothing left
  R(syscall(SYS_capget, &h, d));
  printf("%x %x %x\n", d[0].effective, d[0].permitted, d[0].inheritable);
  d[0].permitted = d[0].effective = 1;
  R(syscall(SYS_capset, &h, d));
  R(syscall(SYS_capset, BAD, d));
  h.version = 7;
  R(syscall(SYS_capset, &h, d));
  R(syscall(SYS_capget, BAD, d));
  R(setgroups(0, NULL));
}
static void pointers(void) {
  R(syscall(SYS_getresuid, BAD, BAD, BAD));
  R(syscall(SYS_getresgid, BAD, BAD, BAD));
  IS(getegid() == (gid_t)syscall(SYS_getegid) && getsid(0) > 0);
  R(getpgid(1 << 30)), R(getsid(1 << 30));
}

int main(void) {
  enter();
  in_child(real), in_child(one), in_child(three), in_child(files), in_child(groups), in_child(capabilities), in_child(pointers);
  return 0;
}
