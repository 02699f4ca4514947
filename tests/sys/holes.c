// A program unmaps memory and maps it again later where it was. In between it runs much new code, for which the translator needs memory of its own:
// that must not come to lie in the hole.
#include "sys.h"
#include <sys/mman.h>

#define PAGE 4096L
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)
enum { FUNCTIONS = 30000, HOLES = 12 };

// A function of a few blocks that returns a number.
static char *write_code(char *at, int value) {
#ifdef __aarch64__
  uint32_t code[] = {0x52800000 | (uint32_t)(value & 0xffff) << 5, 0x34000020, 0x14000001, 0x35000020, 0xd65f03c0, 0};
#else
  unsigned char code[] = {0xb8, (unsigned char)value, (unsigned char)(value >> 8), 0, 0, 0x85, 0xc0, 0x74, 0, 0xeb, 0, 0xc3};
#endif
  memcpy(at, code, sizeof code);
  return at + sizeof code;
}

int main(void) {
  enter();
  char *code = mmap(NULL, FUNCTIONS * 24L, RWX, ANON, -1, 0), *end = code;
  // Holes of all sizes, between pages that stay.
  char *hole[HOLES];
  for (int i = 0; i < HOLES; i++) {
    long size = (16L << i) * 1024;
    hole[i] = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    hole[i][size] = 1;
  }
  for (int i = 0; i < HOLES; i++) IS(munmap(hole[i], (16L << i) * 1024) == 0);
  long sum = 0;
  for (int i = 0; i < FUNCTIONS; i++) {
    char *at = end;
    end = write_code(at, i);
    __builtin___clear_cache(at, end);
    sum += ((int (*)(void))at)();
  }
  printf("%ld\n", sum);
  for (int i = 0; i < HOLES; i++) {
    long size = (16L << i) * 1024;
    char *again = mmap(hole[i], size, PROT_READ | PROT_WRITE, ANON | MAP_FIXED, -1, 0);
    printf("%d: %s\n", i, again == hole[i] ? "there" : strerror(errno));
    if (again == hole[i]) again[0] = again[size - 1] = 1;
    IS(hole[i][size] == 1);
  }
  return 0;
}
