// Extended attributes, file handles, fanotify, landlock, keys, calls that are gone.
#include "sys.h"
#include <linux/landlock.h>
#include <sys/fanotify.h>
#include <sys/xattr.h>

static void attributes(void) {
  char buf[64];
  put("f", "x");
  symlink("f", "link");
  if (setxattr("f", "user.one", "value", 5, 0)) {
    IS(errno == EOPNOTSUPP);
    return;
  }
  R(setxattr("f", "user.two", "", 0, XATTR_CREATE));
  R(setxattr("f", "user.two", "2", 1, XATTR_CREATE));
  R(setxattr("f", "user.none", "2", 1, XATTR_REPLACE));
  R(getxattr("f", "user.one", buf, 64));
  R(getxattr("link", "user.one", buf, 3));
  R(getxattr("f", "user.one", NULL, 0));
  R(getxattr("f", "user.none", buf, 64));
  R(lgetxattr("link", "user.one", buf, 64) == -1);
  R(setxattr("f", "nonsense.x", "v", 1, 0));
  R(setxattr("f", "user.big", buf, 70000, 0));
  R(setxattr("f", "user.x", BAD, 5, 0));
  int fd = open("f", O_RDWR);
  R(fsetxattr(fd, "user.three", "333", 3, 0));
  R(fgetxattr(fd, "user.three", buf, 64));
  ssize_t n = flistxattr(fd, buf, 64);
  int names = 0;
  for (ssize_t i = 0; i < n; i += strlen(buf + i) + 1) names += strncmp(buf + i, "user.", 5) == 0;
  R(names);
  R(flistxattr(fd, buf, 3));
  R(removexattr("f", "user.two"));
  R(removexattr("f", "user.two"));
  R(fremovexattr(fd, "user.three"));
  struct { uint64_t value; uint32_t size, flags; } args = {(uintptr_t) "at", 2, 0};
  long r = syscall(463, AT_FDCWD, "f", 0, "user.at", &args, sizeof args); // setxattrat
  IS(r == 0 || errno == ENOSYS);
}

static void handles(void) {
  struct { struct file_handle h; char room[MAX_HANDLE_SZ]; } h = {.h.handle_bytes = MAX_HANDLE_SZ}, small = {.h.handle_bytes = 0};
  int mount, dir = open(".", O_RDONLY), fd;
  long r = name_to_handle_at(AT_FDCWD, "f", &h.h, &mount, 0);
  IS(r == 0 || errno == EOPNOTSUPP);
  r = name_to_handle_at(AT_FDCWD, "f", &small.h, &mount, 0);
  IS(r == -1 && (errno == EOVERFLOW || errno == EOPNOTSUPP));
  R(name_to_handle_at(AT_FDCWD, "none", &h.h, &mount, 0));
  R(name_to_handle_at(AT_FDCWD, "f", &h.h, &mount, 0x40000000));
  fd = open_by_handle_at(dir, &h.h, O_RDONLY | O_NOFOLLOW);
  if (fd >= 0) IS((fcntl(fd, F_GETFL) & (O_NOFOLLOW | O_DIRECTORY | O_DIRECT)) == O_NOFOLLOW);
  else IS(errno == EPERM || errno == EOPNOTSUPP || errno == ESTALE || errno == EINVAL);
}

static void fan(void) {
  int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY | O_LARGEFILE | O_NOATIME);
  R(fanotify_init(0x80000000, O_RDONLY));
  if (fd < 0) {
    IS(errno == EPERM || errno == ENOSYS || errno == EINVAL);
    return;
  }
  R(fanotify_init(0, O_NOFOLLOW));
  R(fanotify_init(0, O_DIRECTORY));
  R(fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY | FAN_CLOSE_WRITE, AT_FDCWD, "f"));
  R(fanotify_mark(fd, FAN_MARK_ADD, 1ull << 63, AT_FDCWD, "f"));
  R(fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD, "none"));
  put("f", "changed");
  struct fanotify_event_metadata m[4];
  ssize_t n = read(fd, m, sizeof m);
  IS(n == sizeof *m && m[0].event_len == sizeof *m && m[0].pid == getpid());
  if (n > 0) {
    printf("%llx\n", (unsigned long long)m[0].mask);
    char buf[8] = "";
    R(read(m[0].fd, buf, 7));
    IS((fcntl(m[0].fd, F_GETFL) & (O_NOATIME | O_DIRECTORY | O_DIRECT | O_NOFOLLOW)) == O_NOATIME);
  }
  R(read(fd, m, sizeof m));
}

static void landlock(void) {
  long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
  IS(v > 0 || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM);
  if (v < 1) return;
  fflush(stdout);
  if (fork() == 0) {
    struct landlock_ruleset_attr a = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR};
    mkdir("open", 0755), put("open/f", "x");
    int set = syscall(SYS_landlock_create_ruleset, &a, sizeof a, 0);
    struct landlock_path_beneath_attr p = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE, .parent_fd = open("open", O_PATH)};
    R(syscall(SYS_landlock_add_rule, set, LANDLOCK_RULE_PATH_BENEATH, &p, 0));
    R(syscall(SYS_landlock_add_rule, set, 77, &p, 0));
    R(syscall(SYS_prctl, 38, 1, 0, 0, 0)); // PR_SET_NO_NEW_PRIVS
    R(syscall(SYS_landlock_restrict_self, set, 0));
    R(open("f", O_RDONLY));
    OK(open("open/f", O_RDONLY));
    fflush(stdout), _exit(0);
  }
  wait(NULL);
}

static void keys(void) {
  enum { SESSION = -3, JOIN = 1, UPDATE = 2, DESCRIBE = 6, READ = 11 };
  char buf[64] = "";
  long ring = syscall(SYS_keyctl, JOIN, NULL);
  IS(ring > 0 || errno == ENOSYS || errno == EPERM || errno == EACCES);
  if (ring <= 0) return;
  long key = syscall(SYS_add_key, "user", "sys-key", "secret", 6, SESSION);
  IS(key > 0);
  R(syscall(SYS_keyctl, READ, key, buf, sizeof buf));
  puts(buf);
  R(syscall(SYS_keyctl, UPDATE, key, "new", 3));
  R(syscall(SYS_keyctl, READ, key, buf, sizeof buf));
  IS(syscall(SYS_request_key, "user", "sys-key", NULL, SESSION) == key);
  R(syscall(SYS_request_key, "user", "sys-no-key", NULL, SESSION));
  R(syscall(SYS_add_key, "nonsense", "x", "y", 1, SESSION));
  R(syscall(SYS_add_key, "user", BAD, "y", 1, SESSION));
  R(syscall(SYS_keyctl, 999));
}

int main(void) {
  enter();
  attributes();
  put("f", "x");
  handles();
  fan();
  landlock();
  keys();
  R(syscall(SYS_lookup_dcookie, 0, NULL, 0));
  R(syscall(SYS_nfsservctl, 0, NULL, NULL));
  R(syscall(SYS_userfaultfd, 0x40000000) == -1);
}
