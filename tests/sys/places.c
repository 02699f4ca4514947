// Places in the address space that programs demand: what a position-independent program and its libraries leave free.
// build: -static-pie -fPIE
// AddressSanitizer's allocator takes 4 TB from 0x500000000000 whatever is there, and took the program, which was loaded at a random place in them.
#include "sys.h"
#include <sys/mman.h>

static void taken(const char *who, unsigned long from, unsigned long size) {
  void *p = mmap((void *)from, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
  printf("%s: %s\n", who, p == MAP_FAILED ? strerror(errno) : "free");
  if (p != MAP_FAILED) munmap(p, size);
}

int main(void) {
  // Each twenty times, as the kernel places programs at random.
  if (!getenv("AGAIN")) {
    setenv("AGAIN", "1", 1);
    for (int i = 0; i < 20; i++) {
      pid_t p = fork();
      if (!p) execl("/proc/self/exe", "places", NULL), _exit(1);
      int status;
      waitpid(p, &status, 0);
      printf("%d\n", status);
    }
    return 0;
  }
  taken("low addresses", 0x10000, 0xffff0000);
  taken("a compressed heap", 0x100000000, 0x700000000);
  taken("SBCL's heap, AddressSanitizer's shadow", 0x1000000000, 0x200000000);
  taken("the shadow of AddressSanitizer for addresses of 47 bits", 0x21200000000, 0xdfe00000000);
  taken("Go's arenas", 0xc000000000, 0x2000000000);
  taken("Go's race detector", 0x200000000000, 0x120000000000);
  taken("AddressSanitizer's allocator", 0x500000000000, 0x40000002000);
  return 0;
}
