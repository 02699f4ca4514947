/* For tcc -run: compiled into memory and run there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
static int cmp(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(void) {
  int a[5000];
  long h = 0;
  double f = .5;
  jmp_buf j;
  volatile int times = 0;
  for (int i = 0; i < 5000; i++) a[i] = i * 7919 % 5003;
  qsort(a, 5000, sizeof *a, cmp);
  for (int i = 0; i < 5000; i++) h = h * 31 + a[i];
  for (int i = 1; i < 100000; i++) f = (f + 1. / i) / 1.0001;
  if (setjmp(j) < 5) times++, longjmp(j, times);
  printf("fib %d sort %lx float %.9f jumps %d %s\n", fib(24), (unsigned long)h, f, times, strchr("code", 'd'));
  return 0;
}
