// openat, openat2, creation modes, flags as F_GETFL shows them, O_TMPFILE, O_PATH.
#include "sys.h"
#include <linux/openat2.h>

static void flags(const char *what, int fd) {
  int f = fcntl(fd, F_GETFL);
  printf("%s:%s%s%s%s%s%s%s%s%s%s%s cloexec %d\n", what, (f & O_ACCMODE) == O_RDONLY ? " rdonly" : (f & O_ACCMODE) == O_WRONLY ? " wronly" : " rdwr",
         f & O_APPEND ? " append" : "", f & O_NONBLOCK ? " nonblock" : "", (f & O_SYNC) == O_SYNC ? " sync" : "", f & O_DSYNC ? " dsync" : "",
         f & O_DIRECT ? " direct" : "", f & O_DIRECTORY ? " directory" : "", f & O_NOFOLLOW ? " nofollow" : "", f & O_NOATIME ? " noatime" : "",
         f & O_PATH ? " path" : "", (f & O_TMPFILE) == O_TMPFILE ? " tmpfile" : "", fcntl(fd, F_GETFD));
}

static long openat2_(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return syscall(SYS_openat2, dir, path, &how, sizeof how);
}

static void modes(void) {
  umask(027);
  int fd = open("m", O_CREAT | O_RDWR, 0777);
  struct stat st;
  fstat(fd, &st);
  printf("mode %o\n", st.st_mode);
  R(umask(022));
  R(open("m", O_CREAT | O_EXCL | O_RDWR, 0600));
  R(write(fd, "12345", 5));
  close(fd);
  OK(fd = open("m", O_WRONLY | O_TRUNC));
  fstat(fd, &st);
  R(st.st_size);
  R(read(fd, &st, 1));
  R(syscall(SYS_close, fd));
  R(syscall(SYS_close, fd));
  R(syscall(SYS_close, -1));
}

static void shown(void) {
  int fd;
  struct { const char *name; int flags; } t[] = {
      {"read", O_RDONLY}, {"write", O_WRONLY | O_APPEND}, {"both", O_RDWR | O_NONBLOCK | O_CLOEXEC}, {"sync", O_RDWR | O_SYNC}, {"dsync", O_RDWR | O_DSYNC},
      {"nofollow", O_RDONLY | O_NOFOLLOW}, {"noctty", O_RDONLY | O_NOCTTY}, {"path", O_PATH}, {"path nofollow", O_PATH | O_NOFOLLOW | O_CLOEXEC}, {"noatime", O_RDONLY | O_NOATIME}};
  put("f", "text");
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    if ((fd = open("f", t[i].flags)) < 0) printf("%s: %s\n", t[i].name, err());
    else flags(t[i].name, fd), close(fd);
  }
  fd = open(".", O_DIRECTORY), flags("directory", fd), close(fd);
  fd = open(".", O_PATH | O_DIRECTORY | O_NOFOLLOW), flags("path directory", fd), close(fd);
  fd = open("f", O_RDWR);
  R(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_CREAT | O_TRUNC));
  flags("set", fd);
  R(fcntl(fd, F_SETFL, 0));
  flags("cleared", fd);
  R(fcntl(fd, F_SETFL, O_NOATIME));
  flags("noatime", fd);
  close(fd);
  // Whether the file system can do it is its own affair; that it is not taken for another flag is ours.
  fd = open("f", O_RDONLY | O_DIRECT);
  if (fd >= 0) IS(fcntl(fd, F_GETFL) & O_DIRECT), IS(fcntl(fd, F_SETFL, 0) == 0 && !(fcntl(fd, F_GETFL) & O_DIRECT)), close(fd);
  else IS(errno == EINVAL), puts("no O_DIRECT here");
  fd = open(".", O_TMPFILE | O_RDWR, 0600);
  if (fd >= 0) {
    struct stat st;
    fstat(fd, &st);
    IS(st.st_nlink == 0 && S_ISREG(st.st_mode) && (fcntl(fd, F_GETFL) & O_TMPFILE) == O_TMPFILE);
    close(fd);
  } else IS(errno == EOPNOTSUPP), puts("no O_TMPFILE here");
}

static void errors(void) {
  R(symlink("f", "link"));
  R(symlink("loop", "loop"));
  R(symlink("nowhere", "dangling"));
  R(mkdir("d", 0755));
  R(open("none", O_RDONLY));
  R(open("f/x", O_RDONLY));
  R(open("f", O_DIRECTORY));
  R(open("link", O_NOFOLLOW));
  OK(open("link", O_RDONLY));
  R(open("link", O_DIRECTORY | O_NOFOLLOW));
  R(open("loop", O_RDONLY));
  R(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600));
  OK(open("dangling", O_CREAT | O_RDWR, 0600));
  R(access("nowhere", F_OK));
  R(open("d", O_WRONLY));
  R(open("d", O_CREAT | O_RDONLY, 0600));
  R(open("d", O_RDWR | O_DIRECTORY));
  R(open("new", O_CREAT | O_DIRECTORY, 0600));
  R(syscall(SYS_openat, AT_FDCWD, "d", O_TMPFILE, 0600));
  R(syscall(SYS_openat, AT_FDCWD, BAD, O_RDONLY));
  R(syscall(SYS_openat, AT_FDCWD, "", O_RDONLY));
  R(syscall(SYS_openat, -5, "f", O_RDONLY));
  OK(syscall(SYS_openat, -5, "/", O_RDONLY));
  char longname[300];
  memset(longname, 'x', 299), longname[299] = 0;
  R(open(longname, O_RDONLY));
  static char longpath[5000];
  memset(longpath, '/', 4999);
  R(open(longpath, O_RDONLY));
  int fd = open("f", O_RDONLY), dir = open("d", O_RDONLY | O_DIRECTORY), path = open("f", O_PATH);
  R(openat(fd, "x", O_RDONLY));
  OK(openat(dir, "../f", O_RDONLY));
  OK(openat(dir, "in", O_CREAT | O_WRONLY, 0600));
  R(read(path, &fd, 1));
  R(fchmod(path, 0600));
}

static void two(void) {
  int dir = open("d", O_RDONLY | O_DIRECTORY), fd;
  OK(fd = openat2_(dir, "in", O_RDWR | O_CLOEXEC, 0, 0));
  flags("openat2", fd);
  R(openat2_(dir, "../f", O_RDONLY, 0, RESOLVE_BENEATH));
  R(openat2_(dir, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH));
  R(openat2_(dir, "/nowhere-in-root", O_RDONLY, 0, RESOLVE_IN_ROOT));
  OK(openat2_(dir, "/in", O_RDONLY, 0, RESOLVE_IN_ROOT));
  R(openat2_(AT_FDCWD, "link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS));
  OK(openat2_(AT_FDCWD, "link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
  R(openat2_(AT_FDCWD, "link", O_NOFOLLOW, 0, 0));
  R(openat2_(AT_FDCWD, "f", O_DIRECTORY, 0, 0));
  R(openat2_(AT_FDCWD, "f", O_RDONLY, 0600, 0));
  R(openat2_(AT_FDCWD, "n2", O_CREAT | O_RDONLY, 010000, 0));
  R(openat2_(AT_FDCWD, "f", 1ull << 40, 0, 0));
  R(openat2_(AT_FDCWD, "f", O_RDONLY, 0, 1ull << 40));
  R(openat2_(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0));
  R(openat2_(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS));
  struct { struct open_how how; uint64_t more; } big = {.how = {.flags = O_RDONLY}};
  OK(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big));
  big.more = 1;
  R(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof big));
  R(syscall(SYS_openat2, AT_FDCWD, "f", &big, 23));
  R(syscall(SYS_openat2, AT_FDCWD, "f", &big, 0));
  R(syscall(SYS_openat2, AT_FDCWD, "f", &big, 5000));
  R(syscall(SYS_openat2, AT_FDCWD, "f", BAD, sizeof(struct open_how)));
}

int main(void) {
  enter();
  modes();
  shown();
  errors();
  two();
}
