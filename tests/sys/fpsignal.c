// Rounding and exception flags across signals: a handler may change them, what it interrupted finds its own again.
#include "sys.h"
#include <fenv.h>
#include <math.h>
#include <setjmp.h>

static volatile double one = 1, three = 3, huge = 1e308, zero = 0;

static const char *rounding(void) {
  switch (fegetround()) {
  case FE_TONEAREST: return "nearest";
  case FE_UPWARD: return "up";
  case FE_DOWNWARD: return "down";
  default: return "zero";
  }
}

static void show(const char *what) {
  int e = fetestexcept(FE_ALL_EXCEPT);
  printf("%s: %s, %s%s%s%s%s, %.17g %.17g\n", what, rounding(), e & FE_INVALID ? "I" : "", e & FE_DIVBYZERO ? "Z" : "", e & FE_OVERFLOW ? "O" : "",
         e & FE_UNDERFLOW ? "U" : "", e & FE_INEXACT ? "X" : "", (double)(one / three), (double)(-one / three));
}

static void on(int sig) {
  (void)sig;
  fesetround(FE_DOWNWARD);
  feclearexcept(FE_ALL_EXCEPT);
  feraiseexcept(FE_DIVBYZERO);
}

int main(void) {
  enter();
  signal(SIGUSR1, on);
  const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
  for (int i = 0; i < 4; i++) {
    feclearexcept(FE_ALL_EXCEPT);
    fesetround(modes[i]);
    show("set");
    volatile double d = huge * huge;
    raise(SIGUSR1);
    show("after a signal");
    feclearexcept(FE_ALL_EXCEPT);
    d = zero / zero;
    kill(getpid(), SIGUSR1);
    show("after another");
    (void)d;
  }
  // Threads and children begin with what their makers had.
  fesetround(FE_UPWARD);
  fflush(stdout);
  if (!fork()) show("child"), fflush(stdout), _exit(0);
  wait(NULL);
  // Vectors live in the frame, too.
  volatile double v[32];
  for (int i = 0; i < 32; i++) v[i] = i * 1.5;
  double a = v[1], b = v[2], c = v[3], d = v[4], e = v[5], f = v[6], g = v[7], h = v[8];
  raise(SIGUSR1);
  printf("%g\n", a + b + c + d + e + f + g + h);
  return 0;
}
