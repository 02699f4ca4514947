// Signals that arrive while a process makes its first thread: none is lost, and none comes twice. (C libraries let some of their own through just then,
// musl signals 33 and 34, which are the program's for all that it knows.)
#include "sys.h"
#include <pthread.h>
#include <stdatomic.h>

enum { CHILDREN = 150, SIGNALS = 40 };
static atomic_int seen;
static void count(int s, siginfo_t *i, void *u) { (void)s, (void)u, seen += i->si_value.sival_int; }
static void *nothing(void *at) { return at; }

int main(void) {
  int signals[] = {SIGRTMIN, SIGRTMIN + 1, SIGRTMAX}, status, wrong = 0;
  for (int n = 0; n < 3; n++) {
    sigaction(signals[n], &(struct sigaction){.sa_sigaction = count, .sa_flags = SA_SIGINFO | SA_RESTART}, NULL);
  }
  for (int n = 0; n < CHILDREN; n++) {
    int ready[2];
    if (pipe(ready)) return 1;
    pid_t child = fork();
    if (child == 0) {
      alarm(60);
      write(ready[1], "", 1);
      pthread_t t[3];
      for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, nothing, NULL);
      for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
      while (seen < 3 * SIGNALS) usleep(100);
      usleep(100);
      _exit(seen != 3 * SIGNALS);
    }
    char c;
    read(ready[0], &c, 1);
    for (int i = 0; i < SIGNALS; i++) {
      for (int s = 0; s < 3; s++) {
        while (sigqueue(child, signals[s], (union sigval){.sival_int = 1})) usleep(10);
      }
    }
    waitpid(child, &status, 0);
    if (status) fprintf(stderr, "child %d: status %x\n", n, status), wrong++;
    close(ready[0]), close(ready[1]);
  }
  printf("wrong: %d\n", wrong);
}
