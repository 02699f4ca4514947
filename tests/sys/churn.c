// Threads that map, move, protect and unmap all the time while others write code and fork: nobody loses what is his.
#include "sys.h"
#include <pthread.h>
#include <sys/mman.h>

#define PAGE 4096L
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define ROUNDS 300

static long random_of(unsigned *seed, long n) { return rand_r(seed) % n; }

static void *churn(void *number) {
  unsigned seed = (unsigned)(long)number;
  struct {
    char *at;
    long pages;
    char mark;
  } held[16] = {0};
  long bad = 0;
  for (int round = 0; round < ROUNDS * 10; round++) {
    int i = (int)random_of(&seed, 16);
    if (!held[i].at) {
      held[i].pages = 1 + random_of(&seed, 8), held[i].mark = (char)(1 + random_of(&seed, 100));
      held[i].at = mmap(NULL, held[i].pages * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
      for (long p = 0; p < held[i].pages; p++) bad += held[i].at[p * PAGE] != 0, held[i].at[p * PAGE] = held[i].mark;
      continue;
    }
    for (long p = 0; p < held[i].pages; p++) bad += held[i].at[p * PAGE] != held[i].mark;
    switch (random_of(&seed, 4)) {
    case 0:
      bad += mprotect(held[i].at, PAGE, PROT_READ) != 0;
      bad += mprotect(held[i].at, PAGE, PROT_READ | PROT_WRITE) != 0;
      break;
    case 1: {
      long more = held[i].pages + random_of(&seed, 4);
      char *to = mremap(held[i].at, held[i].pages * PAGE, more * PAGE, MREMAP_MAYMOVE);
      bad += to == MAP_FAILED;
      for (long p = held[i].pages; p < more; p++) bad += to[p * PAGE] != 0, to[p * PAGE] = held[i].mark;
      held[i].at = to, held[i].pages = more;
      break;
    }
    default:
      bad += munmap(held[i].at, held[i].pages * PAGE) != 0;
      held[i].at = NULL;
    }
  }
  for (int i = 0; i < 16; i++)
    if (held[i].at) munmap(held[i].at, held[i].pages * PAGE);
  return (void *)bad;
}

static void *coder(void *number) {
  unsigned seed = (unsigned)(long)number;
  long bad = 0;
  for (int round = 0; round < ROUNDS; round++) {
    char *b = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
    int v[4];
    for (int i = 0; i < 4; i++) {
      v[i] = (int)random_of(&seed, 1000);
#ifdef __aarch64__
      uint32_t code[2] = {0x52800000 | (uint32_t)v[i] << 5, 0xd65f03c0};
#else
      unsigned char code[6] = {0xb8, (unsigned char)v[i], (unsigned char)(v[i] >> 8), 0, 0, 0xc3};
#endif
      memcpy(b + i * PAGE, code, sizeof code);
    }
    bad += mprotect(b, 4 * PAGE, PROT_READ | PROT_EXEC) != 0;
    __builtin___clear_cache(b, b + 4 * PAGE);
    for (int i = 0; i < 4; i++) bad += ((int (*)(void))(uintptr_t)(b + i * PAGE))() != v[i];
    bad += munmap(b, 4 * PAGE) != 0;
  }
  return (void *)bad;
}

static void *forker(void *unused) {
  (void)unused;
  long bad = 0;
  for (int round = 0; round < 30; round++) {
    pid_t child = fork();
    if (!child) {
      char *b = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, ANON, -1, 0);
      b[0] = 1;
      _exit(munmap(b, PAGE) == 0 && coder((void *)(long)round) == NULL ? 7 : 8);
    }
    int status = 0;
    bad += waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7;
  }
  return (void *)bad;
}

int main(void) {
  enter();
  void *(*const each[])(void *) = {churn, churn, churn, coder, coder, forker};
  pthread_t t[6];
  for (long i = 0; i < 6; i++) pthread_create(&t[i], NULL, each[i], (void *)(i + 1));
  for (int i = 0; i < 6; i++) {
    void *bad;
    pthread_join(t[i], &bad);
    printf("thread %d: %ld wrong\n", i, (long)bad);
  }
}
