// Directories: making, listing, renaming, removing, links and their texts, the current directory.
#include "sys.h"
#include <dirent.h>

struct entry {
  uint64_t ino;
  int64_t off;
  uint16_t len;
  uint8_t type;
  char name[];
};

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *dir, size_t size) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY), n = 0;
  char *names[512], buf[8192];
  for (;;) {
    long got = syscall(SYS_getdents64, fd, buf, size);
    if (got == -1) printf("getdents64 %s\n", err());
    if (got <= 0) break;
    for (long at = 0; at < got;) {
      struct entry *e = (void *)(buf + at);
      if (asprintf(&names[n++], "%s/%d", e->name, e->type) < 0) abort();
      at += e->len;
    }
  }
  qsort(names, n, sizeof *names, by_name);
  printf("%s by %zu: %d", dir, size, n);
  for (int i = 0; i < n; i++) {
    if (i < 12) printf(" %s", names[i]);
    free(names[i]);
  }
  puts("");
  close(fd);
}

static void listing(void) {
  char name[32];
  R(mkdir("d", 0755));
  R(symlink("x", "d/link"));
  R(mkdir("d/sub", 0755));
  R(mkfifo("d/fifo", 0600));
  put("d/file", "");
  list("d", 8192);
  list("d", 64);
  R(mkdir("many", 0755));
  for (int i = 0; i < 400; i++) snprintf(name, sizeof name, "many/%03d", i), put(name, "");
  list("many", 4096);
  list("many", 200);
  int fd = open("d", O_RDONLY), file = open("d/file", O_RDONLY);
  char buf[64];
  R(syscall(SYS_getdents64, fd, buf, 10));
  R(syscall(SYS_getdents64, fd, BAD, 100));
  R(syscall(SYS_getdents64, file, buf, 64));
  R(syscall(SYS_getdents64, -1, buf, 64));
  // From the beginning and from a remembered place.
  DIR *d = opendir("many");
  for (int i = 0; i < 100; i++) readdir(d);
  long at = telldir(d);
  char expected[256];
  snprintf(expected, sizeof expected, "%s", readdir(d)->d_name);
  rewinddir(d);
  readdir(d);
  seekdir(d, at);
  IS(strcmp(readdir(d)->d_name, expected) == 0);
  closedir(d);
}

// Descriptors that are open: the three of every program, and what is opened here.
static void descriptors(void) {
  for (int fd = 3; fd < 300; fd++) close(fd);
  int a = open("d", O_RDONLY);
  DIR *d = opendir("/proc/self/fd");
  int n = 0, sum = 0;
  for (struct dirent *e; (e = readdir(d));)
    if (e->d_name[0] != '.') n++, sum += atoi(e->d_name);
  printf("%d open, sum %d\n", n, sum);
  closedir(d);
  d = opendir("/proc/self/fdinfo");
  for (n = 0; readdir(d);) n++;
  R(n);
  closedir(d);
  close(a);
}

static void renaming(void) {
  put("a", "a"), put("b", "b");
  R(rename("a", "c"));
  R(rename("a", "c"));
  R(rename("c", "b"));
  R(rename("b", "d"));
  R(rename("d", "b"));
  R(rename("d", "d/sub/x"));
  R(rename("d", "many"));
  R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "d", RENAME_NOREPLACE));
  R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE));
  IS(open("b", O_DIRECTORY) >= 0);
  R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE));
  R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "new", RENAME_EXCHANGE));
  R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE));
  R(syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "d", 0x80));
  R(syscall(SYS_renameat, AT_FDCWD, "b", AT_FDCWD, BAD));
}

static void removing(void) {
  R(rmdir("d"));
  R(rmdir("b"));
  R(unlink("d"));
  R(unlink("none"));
  R(unlinkat(AT_FDCWD, "b", AT_REMOVEDIR));
  R(unlinkat(AT_FDCWD, "b", 0x40000000));
  R(unlinkat(AT_FDCWD, "b", 0));
  R(mkdir("d", 0755));
  R(mkdir("none/x", 0755));
  R(mkdirat(-1, "x", 0755));
  R(rmdir("."));
  R(rmdir("d/.."));
  R(mknod("pipe", S_IFIFO | 0600, 0));
  R(mknod("file", S_IFREG | 0600, 0));
  R(mknod("file", S_IFREG | 0600, 0));
  R(mknod("bad", 0170000 | 0600, 0));
}

static void links(void) {
  char buf[64];
  memset(buf, '#', sizeof buf);
  R(symlink("some/where", "l"));
  R(readlink("l", buf, sizeof buf));
  printf("%.12s\n", buf);
  memset(buf, '#', sizeof buf);
  R(readlink("l", buf, 4));
  printf("%.6s\n", buf);
  R(syscall(SYS_readlinkat, AT_FDCWD, "l", buf, 0));
  R(syscall(SYS_readlinkat, AT_FDCWD, "l", buf, -1));
  R(syscall(SYS_readlinkat, AT_FDCWD, "l", BAD, 10));
  R(readlink("d", buf, 64));
  R(readlink("none", buf, 64));
  int fd = open("l", O_PATH | O_NOFOLLOW);
  R(readlinkat(fd, "", buf, 64));
  R(symlink("", "e"));
  R(symlink("x", "l"));
}

static void current(void) {
  char buf[PATH_MAX], base[PATH_MAX];
  IS(getcwd(buf, sizeof buf) && strcmp(strrchr(buf, '/'), strrchr(folder, '/')) == 0);
  long n = syscall(SYS_getcwd, buf, sizeof buf);
  IS(n == (long)strlen(buf) + 1);
  R(syscall(SYS_getcwd, buf, 3));
  R(syscall(SYS_getcwd, BAD, 4096));
  snprintf(base, sizeof base, "%s", buf);
  R(chdir("d"));
  IS(getcwd(buf, sizeof buf) && strncmp(buf, base, strlen(base)) == 0 && strcmp(buf + strlen(base), "/d") == 0);
  R(chdir(".."));
  R(chdir("file"));
  R(chdir("none"));
  R(fchdir(-1));
  int fd = open("d", O_PATH);
  R(fchdir(fd));
  R(rmdir("../d"));
  R(syscall(SYS_getcwd, buf, sizeof buf));
  R(chdir(base));
}

int main(void) {
  enter();
  listing();
  descriptors();
  renaming();
  removing();
  links();
  current();
}
