// For programs that ask the kernel and print its answers. Every line is the same on every machine, whatever runs the program: no addresses,
// ids, times or descriptors are printed, only what the interface promises. Each program works in a fresh folder and leaves nothing behind.
#ifndef SYS_H
#define SYS_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BAD ((void *)16) // nothing is mapped here

static const char *err(void) {
  const char *n = strerrorname_np(errno);
  return n ? n : "?";
}

// The value of a call, or its errno.
#define R(call) report(#call, (long)(call))
// Whether it succeeds: for calls whose value is not the same everywhere.
#define OK(call) report_ok(#call, (long)(call))
// A condition.
#define IS(cond) printf("%s: %s\n", #cond, (cond) ? "yes" : "no")

__attribute__((unused)) static long report(const char *what, long r) {
  if (r == -1)
    printf("%s = -1 %s\n", what, err());
  else
    printf("%s = %ld\n", what, r);
  return r;
}

__attribute__((unused)) static long report_ok(const char *what, long r) {
  if (r == -1)
    printf("%s = -1 %s\n", what, err());
  else
    printf("%s = ok\n", what);
  return r;
}

static char folder[PATH_MAX];
static pid_t owner;

static int remove_one(const char *p, const struct stat *s, int t, struct FTW *f) {
  (void)s, (void)t, (void)f;
  return remove(p);
}

static void leave(void) {
  if (getpid() != owner) return;
  fflush(stdout);
  if (chdir("/") == 0) nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

// A fresh folder, as current directory; line by line output, so that children don't repeat it.
__attribute__((unused)) static void enter(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *tmp = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/sys-XXXXXX", tmp ? tmp : "/tmp");
  if (!mkdtemp(folder) || chdir(folder)) {
    perror("temporary folder");
    exit(2);
  }
  owner = getpid();
  umask(022);
  atexit(leave);
  alarm(100); // less than the suites wait
}

__attribute__((unused)) static void put(const char *name, const char *text) {
  int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (write(fd, text, strlen(text)) < 0) perror("write");
  close(fd);
}

__attribute__((unused)) static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

__attribute__((unused)) static void nap(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&t, NULL);
}
#endif
