// Calls for administrators: where they change the machine only their refusals, else in namespaces of their own. As root and as nobody.
#include "sys.h"
#include "numbers.h"
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/utsname.h>

static void in_child(void (*f)(void), int nobody) {
  fflush(stdout);
  if (!fork()) {
    if (nobody && (setgid(65534) || setuid(65534))) printf("not root\n");
    f(), fflush(stdout), _exit(0);
  }
  int status;
  wait(&status);
  printf("status %x\n", status);
}

static void refusals(void) {
  struct timespec bad = {0, 2000000000};
  struct timeval tv = {0, 2000000};
  R(acct("/none/such"));
  R(syscall(SYS_reboot, 1, 2, 3, NULL));
  R(syscall(SYS_kexec_load, 0, 1000, NULL, 0));
  R(syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0));
  R(syscall(SYS_init_module, BAD, 1, ""));
  R(syscall(SYS_finit_module, -1, "", 0));
  R(syscall(SYS_delete_module, "no_such_module", O_NONBLOCK));
  R(swapon("none", 0)), R(swapoff("none"));
  R(clock_settime(CLOCK_REALTIME, &bad)), R(clock_settime(CLOCK_MONOTONIC, &bad));
  R(syscall(SYS_settimeofday, &tv, NULL));
  R(chroot("none")), R(chroot(BAD));
  R(syscall(SYS_pivot_root, "none", "none"));
  R(sethostname("x", -1)), R(syscall(SYS_sethostname, BAD, 3));
  R(syscall(SYS_setdomainname, "x", -1L)), R(syscall(SYS_setdomainname, BAD, 3));
  R(klogctl(99, NULL, 0)), R(syscall(SYS_syslog, 3, BAD, -1));
  R(syscall(SYS_quotactl, 0x80000100, "none", 0, NULL)), R(syscall(SYS_quotactl, -1, NULL, 0, NULL));
  R(syscall(NR_quotactl_fd, -1, 0x80000100, 0, NULL));
  R(syscall(SYS_bpf, 9999, NULL, 0));
  R(syscall(SYS_perf_event_open, BAD, 0, -1, -1, 0L));
  R(setns(-1, 0));
  R(syscall(SYS_open_by_handle_at, -1, BAD, 0));
  R(mount("none", "none", "none", 0, NULL)), R(umount2("none", 0));
  R(syscall(SYS_adjtimex, BAD));
  R(syscall(SYS_lookup_dcookie, 0L, NULL, 0));
}

// What is harmless, and what only root may even so.
static void harmless(void) {
  struct timex t = {};
  OK(syscall(SYS_adjtimex, &t));
  t.modes = ADJ_TICK;
  R(syscall(SYS_adjtimex, &t));
  sync();
  IS(klogctl(10, NULL, 0) > 0);
  R(syscall(SYS_quotactl, 0x80000100, NULL, 0, NULL)); // Q_SYNC of everything
  R(syscall(SYS_settimeofday, NULL, NULL));
  R(chroot("/"));
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
  OK(syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
  struct perf_event_attr p = {.type = PERF_TYPE_SOFTWARE, .size = sizeof p, .config = PERF_COUNT_SW_DUMMY, .disabled = 1, .exclude_kernel = 1};
  OK(syscall(SYS_perf_event_open, &p, 0, -1, -1, 0L));
}

static void write_map(const char *file, const char *text) {
  int fd = open(file, O_WRONLY);
  if (fd >= 0 && write(fd, text, strlen(text)) < 0) printf("%s: %s\n", file, err());
  close(fd);
}

static void namespaces(void) {
  struct utsname u;
  char uid[32], gid[32];
  snprintf(uid, sizeof uid, "0 %d 1", geteuid()), snprintf(gid, sizeof gid, "0 %d 1", getegid());
  if (unshare(CLONE_NEWUSER | CLONE_NEWUTS | CLONE_NEWNS)) {
    printf("no namespaces: %s\n", err());
    return;
  }
  write_map("/proc/self/setgroups", "deny"), write_map("/proc/self/uid_map", uid), write_map("/proc/self/gid_map", gid);
  R(sethostname("box", 3)), R(syscall(SYS_setdomainname, "lan", 3L));
  uname(&u);
  printf("%s %s\n", u.nodename, u.domainname);
  int fd = open("/proc/self/ns/uts", O_RDONLY);
  R(setns(fd, CLONE_NEWUTS)), R(setns(fd, CLONE_NEWNET));
  mkdir("root", 0755);
  R(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
  R(mount("t", "root", "tmpfs", 0, NULL));
  mkdir("root/old", 0755), mkdir("root/inner", 0755);
  R(syscall(SYS_pivot_root, "root", "root/inner/none"));
  R(syscall(SYS_pivot_root, "root", "root/old"));
  R(chdir("/"));
  R(umount2("/old", MNT_DETACH));
  R(access("/inner", F_OK)), R(access("/proc", F_OK));
  R(chroot("inner"));
}

static void hang_up(void) {
  setsid();
  R(syscall(SYS_vhangup));
}

static void accounting(void) {
  // Off, in a PID namespace that never had it on.
  if (unshare(CLONE_NEWPID)) {
    R(acct(NULL));
    return;
  }
  fflush(stdout);
  if (!fork()) {
    R(acct(NULL));
    fflush(stdout), _exit(0);
  }
  wait(NULL);
}

int main(void) {
  enter();
  chmod(".", 0777);
  void (*all[])(void) = {refusals, harmless, namespaces, hang_up, accounting};
  for (int nobody = 0; nobody < 2; nobody++)
    for (int i = 0; i < 5; i++) printf("-- %d %d\n", nobody, i), in_child(all[i], nobody);
  return 0;
}
