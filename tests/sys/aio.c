// Asynchronous I/O by the kernel's own calls. The completion ring lies in the program's memory.
#include "sys.h"
#include <linux/aio_abi.h>

static volatile sig_atomic_t got;
static void on(int s) { got = s; }

int main(void) {
  enter();
  aio_context_t ctx = 0, other = 1;
  R(syscall(SYS_io_setup, 8, &other));
  R(syscall(SYS_io_setup, 0, &ctx));
  R(syscall(SYS_io_setup, 8, BAD));
  OK(syscall(SYS_io_setup, 8, &ctx));
  if (!ctx) return 1;
  // The ring's header: magic at its fifth word.
  IS(((unsigned *)ctx)[4] == 0xa10a10a1);
  int fd = open("f", O_RDWR | O_CREAT, 0600), p[2];
  char buf[16] = "";
  struct iocb w = {.aio_data = 0x1122334455667788, .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_fildes = fd, .aio_buf = (uintptr_t) "asynchronous", .aio_nbytes = 12};
  struct iocb r = {.aio_data = 2, .aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uintptr_t)buf, .aio_nbytes = 5, .aio_offset = 7};
  struct iocb bad = {.aio_lio_opcode = 77, .aio_fildes = fd};
  struct iocb *one[] = {&w}, *two[] = {&r, &bad};
  struct io_event e[8];
  struct timespec t = {5, 0}, zero = {0, 0};
  R(syscall(SYS_io_submit, ctx, 1, one));
  R(syscall(SYS_io_getevents, ctx, 1, 8, e, &t));
  IS(e[0].data == 0x1122334455667788 && e[0].obj == (uintptr_t)&w && e[0].res == 12);
  R(syscall(SYS_io_submit, ctx, 2, two));
  R(syscall(SYS_io_getevents, ctx, 1, 8, e, &t));
  printf("%lld %s\n", (long long)e[0].res, buf);
  R(syscall(SYS_io_submit, ctx, 1, two + 1));
  R(syscall(SYS_io_submit, ctx, 1, BAD));
  R(syscall(SYS_io_submit, ctx, -1L, one));
  R(syscall(SYS_io_submit, 5, 1, one));
  R(syscall(SYS_io_getevents, ctx, 0, 8, e, &zero));
  R(syscall(SYS_io_getevents, ctx, 9, 8, e, &zero));
  pipe(p);
  struct iocb poll = {.aio_data = 3, .aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = p[0], .aio_buf = POLLIN}, *pp[] = {&poll};
  R(syscall(SYS_io_submit, ctx, 1, pp));
  R(syscall(SYS_io_getevents, ctx, 0, 8, e, &zero));
  // A signal that only the call lets in.
  struct sigaction sa = {.sa_handler = on, .sa_flags = SA_RESTART};
  sigaction(SIGUSR1, &sa, NULL);
  sigset_t block;
  sigemptyset(&block), sigaddset(&block, SIGUSR1);
  sigprocmask(SIG_BLOCK, &block, NULL);
  raise(SIGUSR1);
  uint64_t none = 0;
  struct { void *set; long size; } m = {&none, 8};
  R(syscall(SYS_io_pgetevents, ctx, 1, 8, e, &t, &m));
  IS(got == SIGUSR1);
  m.size = 4;
  R(syscall(SYS_io_pgetevents, ctx, 1, 8, e, &zero, &m));
  R(syscall(SYS_io_pgetevents, ctx, 1, 8, e, &zero, BAD));
  write(p[1], "x", 1);
  R(syscall(SYS_io_pgetevents, ctx, 1, 8, e, &t, NULL));
  printf("%llu %lld\n", (unsigned long long)e[0].data, (long long)e[0].res);
  R(syscall(SYS_io_cancel, ctx, &poll, e));
  R(syscall(SYS_io_destroy, ctx));
  R(syscall(SYS_io_destroy, ctx));
  // Rings of io_uring are not offered to foreign programs; everywhere else an empty call fails the same way.
  IS(syscall(425, 0, NULL) == -1);
}
