// Mappings: placement, protection, moving, growing, advice; results and faults.
#include "sys.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#define PAGE 4096L
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf back;
static siginfo_t last;
static void on_fault(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  last = *info;
  siglongjmp(back, 1);
}

static const char *code_name(void) {
  if (last.si_signo == SIGSEGV) return last.si_code == SEGV_MAPERR ? "SIGSEGV MAPERR" : last.si_code == SEGV_ACCERR ? "SIGSEGV ACCERR" : "SIGSEGV ?";
  return last.si_code == BUS_ADRERR ? "SIGBUS ADRERR" : "SIGBUS ?";
}

#define FAULT(what, at, action) \
  do { \
    if (!sigsetjmp(back, 1)) { \
      action; \
      printf("%s: no fault\n", what); \
    } else \
      printf("%s: %s, at the address: %s\n", what, code_name(), last.si_addr == (void *)(at) ? "yes" : "no"); \
  } while (0)

static char *fresh(long pages, int prot) { return mmap(NULL, pages * PAGE, prot, ANON, -1, 0); }
// An address as an offset.
#define AT(base, call) report_at(#call, base, call)
static char *report_at(const char *what, char *base, char *r) {
  if (r == MAP_FAILED) printf("%s = %s\n", what, err());
  else printf("%s = base%+ld\n", what, (long)(r - base));
  return r;
}

static void placing(void) {
  char *b = fresh(16, PROT_NONE);
  R(mmap(NULL, 0, PROT_READ, ANON, -1, 0));
  R(mmap(NULL, PAGE, PROT_READ, ANON, -1, 1));
  R(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
  R(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
  R(mmap(NULL, -PAGE, PROT_READ, ANON, -1, 0));
  R(mmap(NULL, 1L << 60, PROT_READ, ANON, -1, 0));
  R(mmap(b + 1, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
  R(mmap(NULL, PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0)); // root may
  R(munmap(NULL, PAGE));
  AT(b, mmap(b + PAGE, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0));
  AT(b, mmap(b + PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  R(munmap(b + 4 * PAGE, 4 * PAGE));
  AT(b, mmap(b + 3 * PAGE, 2 * PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  AT(b, mmap(b + 4 * PAGE, PAGE, PROT_READ, ANON | MAP_FIXED_NOREPLACE, -1, 0));
  AT(b, mmap(b + 5 * PAGE, 2 * PAGE, PROT_READ, ANON, -1, 0)); // a hint where nothing is
  AT(b, mmap(b + 6 * PAGE, 3 * PAGE, PROT_READ, ANON | MAP_FIXED, -1, 0));
  IS(mmap(b, PAGE, PROT_READ, ANON, -1, 0) != b); // a hint where something is
  R(munmap(b + 1, PAGE));
  R(munmap(b, 0));
  R(munmap((void *)-PAGE, PAGE));
  R(munmap(b, 16 * PAGE));
  R(munmap(b, 16 * PAGE));
  char *huge = mmap(NULL, 1L << 42, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
  IS(huge != MAP_FAILED);
  R(mprotect(huge + (1L << 41), PAGE, PROT_READ | PROT_WRITE));
  huge[1L << 41] = 1;
  R(munmap(huge, 1L << 42));
  IS((uintptr_t)huge < 1UL << 48);
}

static void protecting(void) {
  char *b = fresh(8, PROT_READ | PROT_WRITE);
  memset(b, 'x', 8 * PAGE);
  R(mprotect(b, 0, PROT_NONE));
  R(mprotect(b + 1, PAGE, PROT_NONE));
  R(mprotect(b, PAGE, 0x400));
  R(mprotect(b, -PAGE, PROT_READ));
  R(mprotect(b, 2 * PAGE + 1, PROT_READ));
  FAULT("write to read-only", b + 2 * PAGE, b[2 * PAGE] = 1);
  b[3 * PAGE] = 'y';
  R(mprotect(b + PAGE, PAGE, PROT_NONE));
  FAULT("read of no access", b + PAGE + 5, (void)*(volatile char *)(b + PAGE + 5));
  R(munmap(b + 4 * PAGE, PAGE));
  FAULT("read of nothing", b + 4 * PAGE, (void)*(volatile char *)(b + 4 * PAGE));
  FAULT("write to nothing", b + 5 * PAGE - 1, *(volatile char *)(b + 5 * PAGE - 1) = 1);
  R(mprotect(b + 3 * PAGE, 3 * PAGE, PROT_READ));
  FAULT("changed before the hole", b + 3 * PAGE, b[3 * PAGE] = 1);
  b[5 * PAGE] = 'z';
  R(mprotect(b + 4 * PAGE, PAGE, PROT_READ));
  FAULT("call of data", b + 5 * PAGE, ((void (*)(void))(b + 5 * PAGE))());
  FAULT("call of nothing", b + 4 * PAGE, ((void (*)(void))(b + 4 * PAGE))());
  R(mprotect(b + PAGE, PAGE, PROT_READ));
  printf("%c%c%c\n", b[PAGE], b[3 * PAGE], b[5 * PAGE]);
  R(munmap(b, 8 * PAGE));
}

static void moving(void) {
  char *b = fresh(16, PROT_READ | PROT_WRITE);
  strcpy(b, "first"), strcpy(b + 3 * PAGE, "fourth");
  R(munmap(b + 4 * PAGE, 12 * PAGE));
  AT(b, mremap(b, 4 * PAGE, 6 * PAGE, 0));
  b[5 * PAGE] = 1;
  AT(b, mremap(b, 6 * PAGE, 4 * PAGE, 0));
  FAULT("cut off", b + 4 * PAGE, b[4 * PAGE] = 1);
  R(mremap(b, 4 * PAGE, 0, 0));
  R(mremap(b + 1, PAGE, PAGE, 0));
  R(mremap(b, PAGE, PAGE, 64));
  R(mremap(b, PAGE, PAGE, MREMAP_FIXED, b + 8 * PAGE));
  R(mremap(b, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b + PAGE));
  R(mremap(b, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b + 8 * PAGE + 1));
  R(mremap(b + 10 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
  AT(b, mmap(b + 4 * PAGE, PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0));
  AT(b, mremap(b, 4 * PAGE, 5 * PAGE, 0));
  char *m = mremap(b, 4 * PAGE, 5 * PAGE, MREMAP_MAYMOVE);
  IS(m != MAP_FAILED && m != b);
  printf("%s %s %d\n", m, m + 3 * PAGE, m[4 * PAGE]);
  FAULT("moved away", b, (void)*(volatile char *)b);
  AT(b, mremap(m, 5 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b));
  printf("%s %s\n", b, b + 3 * PAGE);
#ifdef MREMAP_DONTUNMAP
  AT(b, mremap(b, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, b + 8 * PAGE));
  printf("'%s' '%s'\n", b, b + 8 * PAGE);
#endif
  R(munmap(b, 16 * PAGE));
}

static void heap(void) {
  char *start = (char *)syscall(SYS_brk, 0);
  IS((char *)syscall(SYS_brk, 16) == start);
  AT(start, (char *)syscall(SYS_brk, start + 3 * PAGE));
  memset(start, 7, 3 * PAGE);
  AT(start, (char *)syscall(SYS_brk, start + PAGE));
  AT(start, (char *)syscall(SYS_brk, start + 2 * PAGE));
  printf("%d %d\n", start[0], ((uintptr_t)start & (PAGE - 1)) ? 0 : start[PAGE]);
  AT(start, (char *)syscall(SYS_brk, start));
  AT(start, (char *)syscall(SYS_brk, (char *)1 + (1L << 60)));
}

static void files(void) {
  put("f", "content");
  int fd = open("f", O_RDWR);
  char *s = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  memcpy(s, "CON", 3);
  printf("%s\n", p);
  p[0] = 'x';
  printf("%s %s\n", s, p);
  R(msync(s, PAGE, MS_SYNC));
  R(msync(s, PAGE, MS_SYNC | MS_ASYNC));
  R(msync(s, PAGE, 64));
  R(msync(s + 1, PAGE, MS_SYNC));
  FAULT("beyond the end of the file", s + 2 * PAGE, (void)*(volatile char *)(s + 2 * PAGE));
  ftruncate(fd, 3 * PAGE);
  s[2 * PAGE] = 1;
  close(fd);
  fd = open("f", O_RDONLY);
  R(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  char *r = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  R(mprotect(r, PAGE, PROT_READ | PROT_WRITE));
  R(mprotect(r, PAGE, PROT_NONE));
  AT(r, mmap(r + PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 2 * PAGE));
  printf("%d\n", r[PAGE]);
  close(fd);
  fd = open("f", O_WRONLY);
  R(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0));
  close(fd);
  int dir = open(".", O_RDONLY);
  R(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, dir, 0));
  R(munmap(s, PAGE));
  R(msync(s, 2 * PAGE, MS_ASYNC));
  R(remap_file_pages(s + PAGE, PAGE, 0, 0, 0));
  printf("%.7s\n", s + PAGE);
}

static void advice(void) {
  char *b = fresh(4, PROT_READ | PROT_WRITE);
  memset(b, 1, 4 * PAGE);
  R(madvise(b, PAGE, MADV_DONTNEED));
  printf("%d %d\n", b[0], b[PAGE]);
  R(madvise(b, PAGE, 4711));
  R(madvise(b + 1, PAGE, MADV_DONTNEED));
  R(madvise(b, 0, MADV_DONTNEED));
  R(madvise(b, -1, MADV_DONTNEED));
  R(munmap(b + PAGE, PAGE));
  R(madvise(b, 4 * PAGE, MADV_DONTNEED));
  printf("%d\n", b[3 * PAGE]);
  R(madvise(b, 4 * PAGE, MADV_WILLNEED));
  unsigned char vec[4] = {9, 9, 9, 9};
  b[0] = b[2 * PAGE] = 1;
  R(mincore(b, PAGE, vec));
  R(mincore(b + 2 * PAGE, 2 * PAGE, vec + 2));
  printf("%d %d %d\n", vec[0] & 1, vec[2] & 1, vec[1]);
  R(mincore(b, 3 * PAGE, vec));
  R(mincore(b + 1, PAGE, vec));
  R(mincore(b, PAGE, BAD));
  R(mlock(b, PAGE));
  R(munlock(b, PAGE));
  R(mlock(b, 2 * PAGE));
  R(munlock(b, 4 * PAGE));
  R(mlockall(0));
  R(mlockall(64));
  R(mlockall(MCL_CURRENT | MCL_FUTURE));
  char *l = fresh(16, PROT_READ | PROT_WRITE); // more than fits into the hole at b + PAGE
  R(munlockall());
  R(mincore(l, PAGE, vec));
  printf("%d\n", vec[0] & 1);
  R(madvise(b, PAGE, MADV_DONTFORK));
  R(madvise(b + 2 * PAGE, PAGE, MADV_WIPEONFORK));
  fflush(stdout);
  if (!fork()) {
    FAULT("kept from the child", b, (void)*(volatile char *)b);
    printf("%d\n", b[2 * PAGE]);
    _exit(0);
  }
  wait(NULL);
  printf("%d %d\n", b[0], b[2 * PAGE]);
  R(syscall(SYS_membarrier, 0x1000, 0, 0));
  R(syscall(SYS_pkey_mprotect, b, PAGE, PROT_READ, -1));
  R(syscall(SYS_pkey_mprotect, b, PAGE, PROT_READ, 99));
  R(syscall(462, b, PAGE, 1));
  R(syscall(462, b, 2 * PAGE, 0));
  R(syscall(462, b + 2 * PAGE, PAGE, 0));
  R(munmap(b + 2 * PAGE, PAGE));
  R(mprotect(b + 2 * PAGE, PAGE, PROT_NONE));
}

static void others(void) {
  // With room below, for it must keep its distance from what is there.
  char *room = fresh(2048, PROT_NONE), *stack = room + 1984 * PAGE;
  R(munmap(room, 2048 * PAGE));
  AT(stack, mmap(stack + 63 * PAGE, PAGE, PROT_READ | PROT_WRITE, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
  FAULT("below a growing mapping", stack + 50 * PAGE, *(volatile char *)(stack + 50 * PAGE) = 1);
  R(mprotect(stack + 52 * PAGE, PAGE, PROT_READ));
  R(mprotect(stack + 63 * PAGE, PAGE, PROT_READ | PROT_GROWSDOWN));
  R(mprotect(stack + 63 * PAGE, PAGE, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP));
  FAULT("all of it", stack + 50 * PAGE, *(volatile char *)(stack + 50 * PAGE) = 1);
  R(munmap(stack, 64 * PAGE));
  char from[] = "from there", to[16] = "";
  struct iovec local = {to, sizeof to}, remote = {from, sizeof from}, bad = {BAD, 8};
  R(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
  printf("%s\n", to);
  R(process_vm_writev(getpid(), &remote, 1, &local, 1, 0));
  R(process_vm_readv(getpid(), &local, 1, &bad, 1, 0));
  R(process_vm_readv(getpid(), &local, 1, &remote, 1, 1));
  R(process_vm_readv(getpid(), BAD, 1, &remote, 1, 0));
  char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *private = fresh(1, PROT_READ | PROT_WRITE);
  fflush(stdout);
  if (!fork()) shared[0] = private[0] = 5, _exit(0);
  wait(NULL);
  printf("%d %d\n", shared[0], private[0]);
  struct rlimit old, small = {64 << 20, RLIM_INFINITY};
  R(getrlimit(RLIMIT_AS, &old));
  R(setrlimit(RLIMIT_AS, &small));
  IS(mmap(NULL, 256 << 20, PROT_READ, ANON, -1, 0) == MAP_FAILED && errno == ENOMEM);
  struct rlimit seen;
  R(getrlimit(RLIMIT_AS, &seen));
  IS(seen.rlim_cur == small.rlim_cur);
  R(setrlimit(RLIMIT_AS, &old));
}

static void listing(void) {
  char *b = fresh(4, PROT_READ | PROT_WRITE);
  mprotect(b + PAGE, PAGE, PROT_READ | PROT_EXEC), mprotect(b + 2 * PAGE, PAGE, PROT_NONE);
  char line[512], perms[8], name[256];
  int stack = 0, program = 0;
  unsigned long start, end, us = (unsigned long)&line;
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) {
    *name = 0;
    sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &start, &end, perms, name);
    for (int i = 0; i < 4; i++)
      if (start <= (unsigned long)b + i * PAGE && (unsigned long)b + i * PAGE < end) printf("page %d: %s\n", i, perms);
    if (start <= us && us < end && !strcmp(name, "[stack]")) stack++;
    if (start <= (unsigned long)listing && (unsigned long)listing < end) program = !strcmp(perms, "r-xp") && strstr(name, "memory");
  }
  fclose(f);
  IS(stack);
  IS(program);
}

int main(void) {
  enter();
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, NULL), sigaction(SIGBUS, &sa, NULL);
  placing(), protecting(), moving(), heap(), files(), advice(), others(), listing();
}
