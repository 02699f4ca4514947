// Mounts, in a namespace of their own when the system lets us; otherwise only that the refusals agree.
#include "sys.h"
#include <linux/mount.h>
#include <sched.h>
#include <sys/statfs.h>

#ifndef MS_PRIVATE
#define MS_RDONLY 1
#define MS_NOSUID 2
#define MS_REMOUNT 32
#define MS_BIND 4096
#define MS_REC 16384
#define MS_PRIVATE (1 << 18)
#endif
enum { DETACH = 2 };

static void old(void) {
  struct statfs s;
  R(syscall(SYS_mount, "none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
  mkdir("m", 0755), mkdir("b", 0755);
  R(syscall(SYS_mount, "tmp", "m", "tmpfs", MS_NOSUID, "size=64k,mode=0711"));
  put("m/f", "inside");
  statfs("m", &s);
  printf("%lx %ld %lx\n", (long)s.f_type, (long)(s.f_blocks * s.f_bsize), (long)s.f_flags & 3);
  struct stat st;
  stat("m", &st);
  printf("%o\n", st.st_mode);
  R(syscall(SYS_mount, "m", "b", NULL, MS_BIND, NULL));
  R(access("b/f", F_OK));
  R(syscall(SYS_mount, NULL, "b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL));
  R(open("b/g", O_CREAT | O_WRONLY, 0600));
  R(syscall(SYS_umount2, "b", 0));
  int fd = open("m/f", O_RDONLY);
  R(syscall(SYS_umount2, "m", 0));
  R(syscall(SYS_umount2, "m", DETACH));
  R(syscall(SYS_umount2, "m", 0));
  close(fd);
  R(syscall(SYS_mount, "x", "m", "nonsense", 0, NULL));
  R(syscall(SYS_mount, "x", "none", "tmpfs", 0, NULL));
  R(syscall(SYS_mount, "x", "m", BAD, 0, NULL));
  R(syscall(SYS_mount, "x", "m", "tmpfs", 0, "size=nonsense"));
}

static void new(void) {
  long fs, mnt, tree;
  OK(fs = syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
  R(syscall(SYS_fsopen, "nonsense", 0));
  R(syscall(SYS_fsopen, "tmpfs", 0x80));
  R(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "size", "64k", 0));
  R(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "nonsense", "1", 0));
  R(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
  OK(mnt = syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV));
  R(syscall(SYS_move_mount, mnt, "", AT_FDCWD, "m", MOVE_MOUNT_F_EMPTY_PATH));
  put("m/n", "new");
  OK(tree = syscall(SYS_open_tree, AT_FDCWD, "m", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  R(fcntl(tree, F_GETFD));
  struct mount_attr a = {.attr_set = MOUNT_ATTR_RDONLY};
  R(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &a, sizeof a));
  R(syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &a, 5));
  R(syscall(SYS_move_mount, tree, "", AT_FDCWD, "b", MOVE_MOUNT_F_EMPTY_PATH));
  R(open("b/x", O_CREAT | O_WRONLY, 0600));
  R(access("b/n", R_OK));
  OK(syscall(SYS_fspick, AT_FDCWD, "m", 0));
  OK(syscall(SYS_openat, tree, "n", O_RDONLY));
  R(syscall(SYS_umount2, "b", 0));
  R(syscall(SYS_umount2, "m", DETACH));
  R(syscall(SYS_pivot_root, "m", "m"));
}

int main(void) {
  enter();
  fflush(stdout);
  if (fork() == 0) {
    if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) puts("no namespace");
    else old(), new();
    fflush(stdout), _exit(0);
  }
  wait(NULL);
}
