// guest: x86_64
// A carry that is made by one instruction and read by the next, whose memory operand faults in between: misaligned over a boundary of 16 bytes (which
// the program isn't told of), or not to be written (which a handler mends). It once was lost when the next instruction was translated again.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static char *page;
static int mended;

static void mend(int signal) {
  (void)signal;
  mended++;
  mprotect(page, 8192, PROT_READ | PROT_WRITE);
}

// Sums of two words at `p` and `q`, whatever the carry was: each a copy of its own, which has never run.
#define ADD(p, q, v) __asm__ volatile("addq %2, (%0)\n adcq $0, (%1)" ::"r"(p), "r"(q), "r"(v) : "memory", "cc")
#define SUB(p, q, v) __asm__ volatile("subq %2, (%0)\n sbbq $0, (%1)" ::"r"(p), "r"(q), "r"(v) : "memory", "cc")
#define INC(p, q) __asm__ volatile("stc\n incq (%0)\n adcq $0, (%1)" ::"r"(p), "r"(q) : "memory", "cc")
#define ROTATE(p, q) __asm__ volatile("stc\n rclq $1, (%0)\n rclq $1, (%1)" ::"r"(p), "r"(q) : "memory", "cc")

static void fill(char *p, uint64_t v) { memcpy(p, &v, 8); }

static void show(const char *name, char *p, char *q) {
  uint64_t a, b;
  memcpy(&a, p, 8);
  memcpy(&b, q, 8);
  printf("%s %llx %llx\n", name, (unsigned long long)a, (unsigned long long)b);
}

// How it is found before: `lock` makes the second page read-only.
#define EACH(how, first, second, lock)                                                                        \
  do {                                                                                                        \
    char *p = page + (first), *q = page + (second);                                                           \
    for (int carry = 0; carry < 2; carry++) {                                                                 \
      mend(0), fill(p, carry ? ~0ull : 5), fill(q, 7);                                                        \
      if (lock) mprotect(page + 4096, 4096, PROT_READ);                                                       \
      ADD(p, q, 9ull);                                                                                        \
      show(how " add", p, q);                                                                                 \
      mend(0), fill(p, carry ? 3 : 30), fill(q, 7);                                                           \
      if (lock) mprotect(page + 4096, 4096, PROT_READ);                                                       \
      SUB(p, q, 9ull);                                                                                        \
      show(how " sub", p, q);                                                                                 \
      mend(0), fill(p, carry ? ~0ull : 5), fill(q, 7);                                                        \
      if (lock) mprotect(page + 4096, 4096, PROT_READ);                                                       \
      INC(p, q);                                                                                              \
      show(how " inc", p, q);                                                                                 \
      mend(0), fill(p, carry ? 1ull << 63 : 5), fill(q, 7);                                                   \
      if (lock) mprotect(page + 4096, 4096, PROT_READ);                                                       \
      ROTATE(p, q);                                                                                           \
      show(how " rotate", p, q);                                                                              \
    }                                                                                                         \
  } while (0)

int main(void) {
  page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct sigaction act = {.sa_handler = mend};
  sigaction(SIGSEGV, &act, 0);
  EACH("aligned", 64, 72, 0);
  EACH("over 16", 65, 73, 0);
  EACH("over 16 first", 73, 96, 0);
  EACH("over a line", 100, 124, 0);
  EACH("over a page", 64, 4092, 0);
  EACH("locked", 64, 4096 + 64, 1);
  EACH("locked, over 16", 64, 4096 + 73, 1);
  EACH("locked, over a page", 64, 4092, 1);
  printf("mended: %s\n", mended > 80 ? "yes" : "no");
  return 0;
}
