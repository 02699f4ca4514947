// What a signal says about a fault: address and code, for every kind of access, and that the program goes on where it was.
#include "sys.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile siginfo_t seen;
static char *page, *fix;

static void on(int sig, siginfo_t *info, void *context) {
  (void)context;
  seen.si_signo = sig, seen.si_code = info->si_code, seen.si_addr = info->si_addr;
  if (fix) { // make it accessible and go on
    mprotect(fix, 4096, PROT_READ | PROT_WRITE);
    fix = NULL;
    return;
  }
  siglongjmp(back, 1);
}

static const char *code(void) {
  if (seen.si_signo == SIGSEGV) return seen.si_code == SEGV_MAPERR ? "SIGSEGV MAPERR" : seen.si_code == SEGV_ACCERR ? "SIGSEGV ACCERR" : "SIGSEGV ?";
  if (seen.si_signo == SIGBUS) return seen.si_code == BUS_ADRERR ? "SIGBUS ADRERR" : seen.si_code == BUS_ADRALN ? "SIGBUS ADRALN" : "SIGBUS ?";
  return seen.si_signo == SIGFPE ? "SIGFPE" : seen.si_signo == SIGILL ? "SIGILL" : "?";
}

// Run a statement; where its fault was, relative to the pages.
#define TRY(statement) \
  do { \
    seen.si_signo = 0; \
    if (!sigsetjmp(back, 1)) { \
      statement; \
      printf("%s: no fault\n", #statement); \
    } else \
      printf("%s: %s at %ld\n", #statement, code(), (long)((char *)seen.si_addr - page)); \
  } while (0)

typedef struct { uint64_t a[2]; } __attribute__((packed)) pair;
typedef uint64_t wide __attribute__((vector_size(16), aligned(1)));
static volatile uint64_t sink;
static volatile wide vsink;

static void accesses(void) {
  char *p = page + 4096;
  typedef uint64_t __attribute__((aligned(1))) u64;
  typedef uint32_t __attribute__((aligned(1))) u32;
  typedef uint16_t __attribute__((aligned(1))) u16;
  TRY(sink = *(volatile char *)p);
  TRY(*(volatile char *)(p + 5) = 1);
  TRY(sink = *(volatile u64 *)(p - 3)); // the first byte that can't be read
  TRY(*(volatile u64 *)(p - 3) = 1);
  TRY(sink = *(volatile u32 *)(p - 1));
  TRY(sink = *(volatile u16 *)(p - 1));
  TRY(vsink = *(volatile wide *)(p - 8));
  TRY(*(volatile wide *)(p - 8) = vsink);
  TRY(sink = __atomic_load_n((uint64_t *)p, __ATOMIC_ACQUIRE));
  TRY(__atomic_store_n((uint64_t *)p, 1, __ATOMIC_RELEASE));
  TRY(__atomic_fetch_add((uint32_t *)p, 1, __ATOMIC_SEQ_CST));
  TRY(sink = __atomic_exchange_n((uint8_t *)p, 1, __ATOMIC_SEQ_CST));
  uint64_t expected = 0;
  TRY(__atomic_compare_exchange_n((uint64_t *)p, &expected, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  TRY(memset(p - 10, 0, 20));
  TRY(sink = strlen(memset(p - 20, 'x', 20)));
}

static void kinds(void) {
  mprotect(page + 8192, 4096, PROT_READ);
  TRY(sink = page[8192]);
  TRY(*(volatile char *)(page + 8192) = 1);
  TRY(__atomic_fetch_or((uint32_t *)(page + 8192 + 8), 1, __ATOMIC_SEQ_CST));
  munmap(page + 8192, 4096);
  TRY(sink = *(volatile char *)(page + 8192 + 7));
  int fd = open("f", O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 100);
  mmap(page + 8192, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
  TRY(sink = page[8192 + 200]);
  TRY(sink = *(volatile char *)(page + 8192 + 4096 + 9)); // behind the end of the file
  TRY(((void (*)(void))page)()); // not executable
  TRY(((void (*)(void))(page + 4096 * 5))());
}

// Calls of what is no function: the pcs that are special to a translator are not special to a program.
static void nowhere(void) {
  static const uintptr_t places[] = {0, 4, 8, 0x1000};
  for (int i = 0; i < 4; i++) {
    if (!sigsetjmp(back, 1)) ((void (*)(void))places[i])();
    printf("%s at %p\n", code(), seen.si_addr);
  }
}

// The instruction is made again, with all that was in registers around it.
static void going_on(void) {
  long sum = 0;
  double f = 1.5;
  for (int i = 0; i < 40; i++) {
    mprotect(page + 4096, 4096, PROT_NONE);
    fix = page + 4096;
    volatile long *p = (long *)(page + 4096 + 8 * i);
    f = f * 1.25 + i;
    sum += *p + i;
    if (i & 1) *p = sum;
  }
  printf("%ld %.17g\n", sum, f);
}

int main(void) {
  enter();
  struct sigaction act = {.sa_sigaction = on, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &act, NULL), sigaction(SIGBUS, &act, NULL);
  page = mmap(NULL, 4096 * 6, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096 * 5, 4096);
  mprotect(page + 4096, 4096, PROT_NONE);
  accesses(), kinds(), nowhere(), going_on();
  return 0;
}
