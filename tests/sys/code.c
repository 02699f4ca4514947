// A program that writes code: all ways by which written code may come to run.
#include "sys.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>

#define PAGE 4096L
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

// A function that returns a small number.
static void write_code(char *at, int value) {
#ifdef __aarch64__
  uint32_t code[2] = {0x52800000 | (uint32_t)value << 5, 0xd65f03c0}; // mov w0, #value; ret
#else
  unsigned char code[6] = {0xb8, (unsigned char)value, (unsigned char)(value >> 8), 0, 0, 0xc3};
#endif
  memcpy(at, code, sizeof code);
}
static void flush(char *at) { __builtin___clear_cache(at, at + 16); }
static int call(char *at) { return ((int (*)(void))at)(); }

static sigjmp_buf back;
static void on_fault(int sig) { siglongjmp(back, sig); }
static int faults(char *at) {
  int sig = sigsetjmp(back, 1);
  if (!sig) call(at);
  return sig;
}

static char *shared_code;
static volatile int stage;
static void *runner(void *unused) {
  (void)unused;
  long seen[3] = {0};
  while (stage < 2) {
    int v = call(shared_code);
    seen[v == 1 ? 0 : v == 2 ? 1 : 2]++;
    if (v == 2 && stage == 1) break;
  }
  return seen[2] == 0 && seen[1] > 0 ? shared_code : NULL;
}

int main(void) {
  enter();
  signal(SIGSEGV, on_fault);
  char *b = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
  write_code(b, 1);
  IS(faults(b) == SIGSEGV);
  R(mprotect(b, PAGE, PROT_READ | PROT_EXEC)), flush(b);
  R(call(b));
  R(mprotect(b, PAGE, PROT_READ | PROT_WRITE));
  IS(faults(b) == SIGSEGV);
  write_code(b, 2);
  R(mprotect(b, PAGE, PROT_READ | PROT_EXEC)), flush(b);
  R(call(b));
  R(mprotect(b, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
  int sum = 0;
  for (int i = 0; i < 500; i++) write_code(b, i), flush(b), sum += call(b);
  printf("%d\n", sum);

  // Replaced as a whole.
  char *next = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
  write_code(next, 77), mprotect(next, PAGE, PROT_READ | PROT_EXEC), flush(next);
  IS(mremap(next, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b) == b);
  R(call(b));
  IS(faults(next) == SIGSEGV);
  R(munmap(b, PAGE));
  IS(faults(b) == SIGSEGV);
  mmap(b, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, ANON | MAP_FIXED, -1, 0);
  write_code(b, 3), flush(b);
  R(call(b));
  R(madvise(b, PAGE, MADV_DONTNEED));
  write_code(b, 4), flush(b);
  R(call(b));

  // From a file, at the same address; then the file changes.
  int fd = open("code", O_RDWR | O_CREAT | O_TRUNC, 0700);
  ftruncate(fd, 2 * PAGE);
  char *file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  write_code(file, 10), write_code(file + PAGE, 11);
  for (int i = 0; i < 2; i++) {
    mmap(b, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, i * PAGE), flush(b);
    R(call(b));
  }
  // Two views: one to write, one to run.
  char *run = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  flush(run);
  R(call(run));
  for (int i = 20; i < 23; i++) {
    write_code(file, i), flush(run);
    R(call(run));
  }
  // Written by the kernel.
  pread(fd, file + PAGE, 16, 0);
  char *both = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, -1, 0);
  for (int i = 30; i < 33; i++) {
    write_code(file, i);
    pread(fd, both, 16, 0), flush(both);
    R(call(both));
  }
  // A child has its own.
  fflush(stdout);
  if (!fork()) {
    write_code(both, 41), flush(both);
    _exit(call(both));
  }
  int status;
  wait(&status);
  printf("%d %d\n", WEXITSTATUS(status), call(both));
  // Another thread runs it meanwhile.
  shared_code = both;
  write_code(both, 1), flush(both);
  pthread_t t;
  pthread_create(&t, NULL, runner, NULL);
  nap(20);
  write_code(both, 2), flush(both);
  stage = 1;
  void *good;
  pthread_join(t, &good);
  printf("the other thread saw old, then new: %s\n", good ? "yes" : "no");
  // Code that writes over itself further on, many pages.
  char *many = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, -1, 0);
  sum = 0;
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < 64; i++) write_code(many + i * PAGE, i + round), flush(many + i * PAGE), sum += call(many + i * PAGE);
  R(mprotect(many, 32 * PAGE, PROT_READ));
  for (int i = 0; i < 64; i++) sum += faults(many + i * PAGE) == SIGSEGV;
  printf("%d\n", sum);
}
