// fstat, newfstatat, statx, times, modes, links, devices, access, statfs.
#include "sys.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static void same(const char *what, const struct stat *a, const struct statx *x) {
  printf("%s: %d%d%d%d%d%d%d%d%d%d%d%d\n", what, a->st_ino == x->stx_ino, a->st_mode == x->stx_mode, a->st_nlink == x->stx_nlink, a->st_uid == x->stx_uid,
         a->st_gid == x->stx_gid, (uint64_t)a->st_size == x->stx_size, (uint64_t)a->st_blocks == x->stx_blocks, a->st_blksize == (long)x->stx_blksize,
         a->st_dev == makedev(x->stx_dev_major, x->stx_dev_minor), a->st_rdev == makedev(x->stx_rdev_major, x->stx_rdev_minor),
         a->st_mtim.tv_sec == x->stx_mtime.tv_sec && a->st_mtim.tv_nsec == (long)x->stx_mtime.tv_nsec,
         a->st_ctim.tv_sec == x->stx_ctime.tv_sec && a->st_ctim.tv_nsec == (long)x->stx_ctime.tv_nsec);
}

static void forms(const char *name) {
  struct stat st;
  struct statx sx;
  memset(&st, 0x55, sizeof st);
  if (stat(name, &st) || statx(AT_FDCWD, name, 0, STATX_BASIC_STATS, &sx)) {
    printf("%s: %s\n", name, err());
    return;
  }
  same(name, &st, &sx);
  printf("%s: type %o rdev %u:%u\n", name, st.st_mode >> 12, major(st.st_rdev), minor(st.st_rdev));
}

static void times(void) {
  struct timespec t[2] = {{1000000001, 123456789}, {2000000002, 987654321}};
  struct stat st;
  R(utimensat(AT_FDCWD, "f", t, 0));
  stat("f", &st);
  printf("%ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  struct timespec some[2] = {{0, UTIME_OMIT}, {5, 6}};
  R(utimensat(AT_FDCWD, "f", some, 0));
  stat("f", &st);
  printf("%ld.%09ld %ld.%09ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  struct timespec old[2] = {{-5, 0}, {0, UTIME_NOW}};
  R(utimensat(AT_FDCWD, "f", old, 0));
  stat("f", &st);
  printf("%ld\n", st.st_atim.tv_sec);
  IS(time(NULL) - st.st_mtim.tv_sec < 60);
  int fd = open("f", O_RDWR);
  R(futimens(fd, t));
  R(syscall(SYS_utimensat, fd, NULL, t, 0));
  R(utimensat(AT_FDCWD, "link", t, AT_SYMLINK_NOFOLLOW));
  lstat("link", &st);
  printf("%ld\n", st.st_mtim.tv_sec);
  struct timespec wrong[2] = {{0, 1000000000}, {0, 0}};
  R(utimensat(AT_FDCWD, "f", wrong, 0));
  R(syscall(SYS_utimensat, AT_FDCWD, "f", BAD, 0));
  R(utimensat(AT_FDCWD, "none", NULL, 0));
  R(syscall(SYS_utimensat, AT_FDCWD, "f", t, 0x1));
  close(fd);
}

static void modes(void) {
  struct stat st;
  R(chmod("f", 04751));
  stat("f", &st);
  printf("%o\n", st.st_mode);
  R(fchmodat(AT_FDCWD, "f", 0600, 0));
  int r = syscall(452, AT_FDCWD, "f", 0640, 0); // fchmodat2
  R(r);
  r = syscall(452, AT_FDCWD, "link", 0640, AT_SYMLINK_NOFOLLOW);
  IS(r == -1 && errno == EOPNOTSUPP);
  R(chmod("none", 0600));
  R(chown("f", -1, -1));
  R(fchownat(AT_FDCWD, "link", -1, -1, AT_SYMLINK_NOFOLLOW));
  R(fchownat(AT_FDCWD, "f", -1, -1, 0x40000000));
  R(link("f", "hard"));
  stat("f", &st);
  R(st.st_nlink);
  R(linkat(AT_FDCWD, "link", AT_FDCWD, "hard2", 0));
  lstat("hard2", &st);
  IS(S_ISLNK(st.st_mode));
  R(linkat(AT_FDCWD, "link", AT_FDCWD, "hard3", AT_SYMLINK_FOLLOW));
  lstat("hard3", &st);
  IS(S_ISREG(st.st_mode));
  R(link("f", "hard"));
  R(link("d", "dlink"));
}

static void access_(void) {
  R(access("f", F_OK));
  R(access("f", R_OK | W_OK));
  R(access("none", F_OK));
  R(access("f", 8));
  R(syscall(SYS_faccessat, AT_FDCWD, "dangling", F_OK));
  R(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
  R(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
  R(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, 0x40000000));
  R(syscall(SYS_faccessat2, open("f", O_PATH), "", R_OK, AT_EMPTY_PATH));
  R(syscall(SYS_faccessat, AT_FDCWD, BAD, F_OK));
  R(access("f", X_OK));
  R(access("/proc/self/exe", R_OK | X_OK));
}

static void errors(void) {
  struct stat st;
  struct statx sx;
  R(stat("none", &st));
  R(stat("f/x", &st));
  R(stat("loop", &st));
  R(lstat("loop", &st));
  R(st.st_size);
  R(fstat(-1, &st));
  R(syscall(SYS_fstat, 0, BAD));
  R(syscall(SYS_fstat, -1, BAD));
  R(syscall(SYS_newfstatat, AT_FDCWD, BAD, &st, 0));
  R(syscall(SYS_newfstatat, AT_FDCWD, "f", BAD, 0));
  R(syscall(SYS_newfstatat, AT_FDCWD, "", &st, 0));
  R(syscall(SYS_newfstatat, AT_FDCWD, "", &st, AT_EMPTY_PATH));
  R(syscall(SYS_newfstatat, -1, "", &st, AT_EMPTY_PATH));
  R(syscall(SYS_newfstatat, AT_FDCWD, "f", &st, 0x40000000));
  R(syscall(SYS_statx, AT_FDCWD, "none", 0, STATX_ALL, &sx));
  R(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX__RESERVED, &sx));
  R(syscall(SYS_statx, AT_FDCWD, "f", 0x40000000, STATX_ALL, &sx));
  R(syscall(SYS_statx, AT_FDCWD, "f", AT_STATX_SYNC_TYPE, STATX_ALL, &sx));
  R(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_ALL, BAD));
  R(statx(open("f", O_RDONLY), "", AT_EMPTY_PATH, STATX_ALL, &sx));
  R(sx.stx_size);
}

static void systems(void) {
  struct statfs a, b;
  R(statfs("/proc/self", &a));
  printf("%lx\n", (long)a.f_type);
  R(statfs(".", &a));
  int fd = open(".", O_RDONLY);
  R(fstatfs(fd, &b));
  IS(a.f_type == b.f_type && a.f_bsize == b.f_bsize && a.f_blocks == b.f_blocks && a.f_files == b.f_files && a.f_namelen == b.f_namelen && a.f_flags == b.f_flags);
  R(a.f_namelen);
  R(statfs("none", &a));
  R(syscall(SYS_fstatfs, fd, BAD));
  R(fstatfs(-1, &a));
}

static void self(void) {
  struct stat a, b;
  char buf[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", buf, sizeof buf - 1);
  buf[n > 0 ? n : 0] = 0;
  IS(stat("/proc/self/exe", &a) == 0 && stat(buf, &b) == 0 && a.st_ino == b.st_ino && a.st_size == b.st_size);
  IS(lstat("/proc/self/exe", &a) == 0 && S_ISLNK(a.st_mode));
  int fd = open("/proc/self/exe", O_RDONLY);
  IS(fstat(fd, &a) == 0 && a.st_ino == b.st_ino);
  close(fd);
}

int main(void) {
  enter();
  put("f", "0123456789");
  R(symlink("f", "link"));
  R(symlink("loop", "loop"));
  R(symlink("none", "dangling"));
  R(mkdir("d", 01755));
  R(mkfifo("fifo", 0600));
  const char *names[] = {"f", "link", "d", "fifo", "/dev/null", "/dev/tty", "/proc", "/proc/self/status", "none", "loop"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) forms(names[i]);
  times();
  modes();
  access_();
  errors();
  systems();
  self();
}
