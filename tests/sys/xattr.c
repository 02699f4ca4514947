// Extended attributes, by path, link and descriptor, and by the calls that take a directory.
#include "sys.h"
#include "numbers.h"
#include <sys/xattr.h>

struct args {
  uint64_t value;
  uint32_t size, flags;
};

int main(void) {
  enter();
  char b[64];
  put("f", "x");
  symlink("f", "l");
  int fd = open("f", O_RDWR), no = 77;
  R(setxattr("f", "user.a", "one", 3, XATTR_CREATE));
  R(setxattr("f", "user.a", "one", 3, XATTR_CREATE));
  R(lsetxattr("f", "user.b", "two", 3, 0));
  R(lsetxattr("l", "user.b", "two", 3, 0)); // not on links
  R(fsetxattr(fd, "user.c", "three", 5, 0));
  R(fsetxattr(fd, "user.d", "four", 4, XATTR_REPLACE));
  R(fsetxattr(no, "user.d", "four", 4, 0));
  R(lsetxattr("none", "user.b", "two", 3, 0));
  R(setxattr("f", "nonsense", "x", 1, 0));
  memset(b, 0, sizeof b);
  R(lgetxattr("f", "user.b", b, sizeof b));
  puts(b);
  R(lgetxattr("l", "user.b", b, sizeof b));
  R(fgetxattr(fd, "user.c", b, 2));
  R(fgetxattr(fd, "user.c", b, sizeof b));
  R(fgetxattr(fd, "user.c", NULL, 0));
  R(fgetxattr(no, "user.c", b, sizeof b));
  R(getxattr("f", "user.none", b, sizeof b));
  R(getxattr("f", "user.a", BAD, 3));
  OK(listxattr("f", b, sizeof b));
  R(listxattr("f", b, 1));
  R(listxattr("none", b, sizeof b));
  OK(llistxattr("l", b, sizeof b));
  R(llistxattr("none", b, sizeof b));
  OK(flistxattr(fd, b, sizeof b));
  R(flistxattr(no, b, sizeof b));
  R(lremovexattr("f", "user.b"));
  R(lremovexattr("f", "user.b"));
  R(fremovexattr(fd, "user.c"));
  R(fremovexattr(fd, "user.c"));
  R(fremovexattr(no, "user.c"));
  R(removexattr("f", "user.a"));
  R(removexattr("none", "user.a"));

  struct args a = {(uintptr_t)"five", 4, 0}, g = {(uintptr_t)b, sizeof b, 0};
  R(syscall(NR_setxattrat, AT_FDCWD, "f", 0, "user.e", &a, sizeof a));
  R(syscall(NR_setxattrat, AT_FDCWD, "f", 0, "user.e", &a, sizeof a - 1));
  R(syscall(NR_setxattrat, AT_FDCWD, "none", 0, "user.e", &a, sizeof a));
  R(syscall(NR_getxattrat, AT_FDCWD, "f", 0, "user.e", &g, sizeof g));
  R(syscall(NR_getxattrat, fd, "", AT_EMPTY_PATH, "user.e", &g, sizeof g));
  R(syscall(NR_getxattrat, AT_FDCWD, "f", 0, "user.none", &g, sizeof g));
  OK(syscall(NR_listxattrat, AT_FDCWD, "f", 0, b, sizeof b));
  R(syscall(NR_listxattrat, AT_FDCWD, "none", 0, b, sizeof b));
  R(syscall(NR_removexattrat, AT_FDCWD, "f", 0, "user.e"));
  R(syscall(NR_removexattrat, AT_FDCWD, "f", 0, "user.e"));
  return 0;
}
