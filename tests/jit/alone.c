// One thread writes code and runs it: all ways by which changed code may come to be fetched.
#include "code.h"

// The C library's way, the function changing all the time.
static void rewritten(void) {
  char *p = map(PAGE, RWX);
  for (unsigned i = 0; i < 20000; i++) {
    char *at = p + i % 7 * 52;
    put_fn(at, i & 0xffff), flush(at, 8);
    EQ(call(at), i & 0xffff);
  }
}

// DC CVAU, DSB, IC IVAU, DSB, ISB by hand, through a pointer with a tag, too.
static void by_hand(void) {
  char *p = map(PAGE, RWX);
  for (unsigned i = 0; i < 5000; i++) {
    put_fn(p, i), sync_line(p);
    EQ(call(p), i);
    put_fn(p, i + 1), sync_line((char *)((uintptr_t)p | (uintptr_t)(i & 0xff) << 56));
    EQ(call(p), i + 1);
  }
}

// The instruction behind the ISB of the very block that writes it. x0: the address of the slot, w1: the instruction, w2: counter.
static void next_instruction(void) {
  insn *p = map(PAGE, RWX);
  int n = 0;
  p[n++] = 0xb9000001;                     // str w1, [x0]
  p[n++] = 0xd50b7b20, p[n++] = 0xd5033b9f; // dc cvau, x0; dsb ish
  p[n++] = 0xd50b7520, p[n++] = 0xd5033b9f; // ic ivau, x0; dsb ish
  p[n++] = ISB;
  int slot = n++;
  p[slot] = brk_insn(1);
  p[n++] = 0x2a0203e0; // mov w0, w2
  p[n++] = RET;
  flush(p, 64);
  int (*f)(insn *, insn, int) = (int (*)(insn *, insn, int))p;
  for (int i = 0; i < 3000; i++) EQ(f(p + slot, add_imm(2, 2, (unsigned)i), 7), i + 7);
}

// A loop that changes its own body on each round. x0: rounds; adds 1, 2, 3, … by rewriting an immediate.
static void loop_changes_itself(void) {
  insn *p = map(PAGE, RWX);
  insn code[] = {
      0x52800002,             // mov w2, #0
      add_imm(3, 2, 0),       // mov w3, w2 (placeholder, keeps offsets)
      0x10000064,             // adr x4, slot (+12)
      0xb9400085,             // ldr w5, [x4]
      NOP,                    //
      add_imm(2, 2, 0),       // slot: add w2, w2, #n
      0xb9400085,             // ldr w5, [x4]
      add_imm(5, 5, 1 << 10), // the immediate field of the instruction in the slot goes up by one
      0xb9000085,             // str w5, [x4]
      0xd50b7b24, 0xd5033b9f, // dc cvau, x4; dsb ish
      0xd50b7524, 0xd5033b9f, // ic ivau, x4; dsb ish
      ISB,
      0x71000400, // subs w0, w0, #1
      0x54fffec1, // b.ne slot (-10 instructions)
      0x2a0203e0, // mov w0, w2
      RET,
  };
  memcpy(p, code, sizeof code);
  flush(p, sizeof code);
  int (*f)(int) = (int (*)(int))p;
  EQ(f(4000), 4000 * 3999 / 2);
}

// Functions that call one another directly; the last, the middle and the first one change.
static void chains(void) {
  insn *p = map(3 * PAGE, RWX);
  insn *a = p + 1000, *b = p + 1040, *c = p + 2100;
  for (unsigned i = 0; i < 2000; i++) {
    c[0] = add_imm(0, 0, i % 13), c[1] = RET, flush(c, 8);
    if (i % 3 == 0) b[0] = add_imm(0, 0, i % 17 << 4), b[1] = br_rel(b + 1, c), flush(b, 8);
    if (i % 7 == 0) a[0] = movz(0, i), a[1] = br_rel(a + 1, b), flush(a, 8);
    EQ(call(a), i / 7 * 7 + (i / 3 * 3 % 17 << 4) + i % 13);
  }
}

// A function across two pages (and two lines), of which either half changes.
static void across_pages(void) {
  insn *p = map(2 * PAGE, RWX), *f = p + PAGE / 4 - 1;
  f[0] = movz(0, 5), f[1] = add_imm(0, 0, 1), f[2] = RET, flush(f, 12);
  EQ(call(f), 6);
  unsigned first = 5, second = 1;
  for (unsigned i = 0; i < 3000; i++) {
    if (i & 1)
      f[0] = movz(0, first = i), sync_line(f);
    else
      f[1] = add_imm(0, 0, second = i), sync_line(f + 1);
    EQ(call(f), first + second);
  }
  catch_faults();
  munmap(p + PAGE / 4, PAGE);
  EQ(outcome(f), SIGSEGV);
  EQ((uintptr_t)fault_info.si_addr, (uintptr_t)(f + 1));
}

// CTR_EL0 tells programs what they must do: instruction caches need invalidation (DIC = 0), by any address of the
// bytes (PIPT).
static void cache_type(void) {
  uint64_t ctr;
  asm("mrs %0, ctr_el0" : "=r"(ctr));
  EQ(ctr >> 29 & 1, 0);
  EQ(ctr >> 14 & 3, 3);
}

// W^X flips, without cache maintenance: natively a fresh page is synchronized when it becomes executable; later flips need maintenance by the
// letter, but programs get away without it.
static void flips(void) {
  catch_faults();
  char *p = map(PAGE, RW);
  for (unsigned i = 0; i < 2000; i++) {
    put_fn(p, i);
    EQ(outcome(p), SIGSEGV);
    CHECK(fault_info.si_addr == p && fault_info.si_code == SEGV_ACCERR);
    EQ(mprotect(p, PAGE, RX), 0);
    EQ(call(p), i);
    EQ(mprotect(p, PAGE, i & 1 ? RW : PROT_NONE), 0);
    EQ(outcome(p), SIGSEGV);
    EQ(mprotect(p, PAGE, RW), 0);
  }
  // By way of RWX.
  for (unsigned i = 0; i < 200; i++) {
    EQ(mprotect(p, PAGE, RWX), 0);
    put_fn(p, i);
    EQ(mprotect(p, PAGE, RX), 0);
    EQ(call(p), i);
  }
}

// Only PROT_EXEC: runs, and without EPAN can be read.
static void exec_only(void) {
  insn *p = map(PAGE, RW);
  put_fn(p, 9), p[2] = 0x12345678;
  EQ(mprotect(p, PAGE, PROT_EXEC), 0);
  EQ(call(p), 9);
  EQ(*(volatile insn *)(p + 2), 0x12345678);
}

// Other code at the same address: no maintenance is needed, the kernel has done it.
static void replaced(void) {
  catch_faults();
  char *p = map(PAGE, RW);
  put_fn(p, 1), mprotect(p, PAGE, RX);
  EQ(call(p), 1);
  for (unsigned i = 2; i < 300; i++) {
    munmap(p, PAGE);
    EQ(outcome(p), SIGSEGV);
    EQ(mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), p);
    put_fn(p, i), mprotect(p, PAGE, RX);
    EQ(call(p), i);
    // Moved here and away.
    char *q = map(PAGE, RW);
    put_fn(q, i + 1000), mprotect(q, PAGE, RX);
    EQ(call(q), i + 1000);
    EQ(mremap(q, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p), p);
    EQ(call(p), i + 1000);
    EQ(outcome(q), SIGSEGV);
    char *r = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EQ(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r), r);
    EQ(call(r), i + 1000);
    EQ(outcome(p), SIGSEGV);
    munmap(r, PAGE);
    EQ(mmap(p, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), p);
  }
  // Left in place, empty (MREMAP_DONTUNMAP = 4).
  put_fn(p, 7), mprotect(p, PAGE, RX);
  EQ(call(p), 7);
  char *q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | 4, NULL);
  CHECK(q != MAP_FAILED);
  EQ(call(q), 7);
  EQ(outcome(p), SIGILL);
}

// MADV_DONTNEED: zeros, which are undefined.
static void dropped(void) {
  catch_faults();
  char *p = map(2 * PAGE, RWX);
  for (unsigned i = 0; i < 300; i++) {
    put_fn(p, i), flush(p, 8);
    EQ(call(p), i);
    madvise(p, PAGE, MADV_DONTNEED);
    EQ(outcome(p), SIGILL);
  }
}

// The kernel writes into code: read, pread, readv, process_vm_writev; then maintenance as for any other write.
static void written_by_the_kernel(void) {
  insn *p = map(PAGE, RWX), code[2];
  int pipes[2];
  CHECK(!pipe(pipes));
  int fd = memfd_create("x", 0);
  for (unsigned i = 0; i < 500; i++) {
    put_fn(code, 4 * i);
    write(pipes[1], code, 8), EQ(read(pipes[0], p, 8), 8), flush(p, 8);
    EQ(call(p), 4 * i);
    put_fn(code, 4 * i + 1);
    pwrite(fd, code, 8, 0), EQ(pread(fd, p, 8, 0), 8), flush(p, 8);
    EQ(call(p), 4 * i + 1);
    put_fn(code, 4 * i + 2);
    struct iovec from = {code, 8}, to = {p, 8};
    EQ(process_vm_writev(getpid(), &from, 1, &to, 1, 0), 8), flush(p, 8);
    EQ(call(p), 4 * i + 2);
    // Of code that has not been run there is nothing to invalidate.
    put_fn(code, 4 * i + 3);
    insn *fresh = p + 16 + i % 400 * 2;
    write(pipes[1], code, 8), EQ(read(pipes[0], fresh, 8), 8);
    if (i < 400) EQ(call(fresh), 4 * i + 3);
  }
}

// Two views of the same bytes. Caches are physical: invalidation by one view is good for the other.
static void two_views(char *rw, char *rx) {
  for (unsigned i = 0; i < 2000; i++) {
    char *line = i % 5 * LINE + (char *)0;
    put_fn(rw + (size_t)line, i), sync_line((i & 1 ? rw : rx) + (size_t)line);
    EQ(call(rx + (size_t)line), i);
  }
}
static void views_of_a_memfd(void) {
  int fd = memfd_create("code", 0);
  ftruncate(fd, 4 * PAGE);
  two_views(mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0), mmap(NULL, 4 * PAGE, RX, MAP_SHARED, fd, 0));
  // Not from the start, in pieces, protections as an afterthought.
  char *rw = (char *)mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 2 * PAGE) + PAGE, *rx = mmap(NULL, 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mmap(rx + PAGE, PAGE, RW, MAP_SHARED | MAP_FIXED, fd, 3 * PAGE) == rx + PAGE);
  EQ(mprotect(rx + PAGE, PAGE, RX), 0);
  two_views(rw, rx + PAGE);
  // Moved.
  char *elsewhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mremap(rx + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
  two_views(rw, elsewhere);
}
static void views_of_a_file(void) {
  char name[] = "/tmp/codeXXXXXX";
  int fd = mkstemp(name);
  unlink(name);
  ftruncate(fd, PAGE);
  char *rw = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
  two_views(rw, mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0));
  // A private mapping that has not been written to shows the file's own pages.
  two_views(rw, mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0));
}
static void views_of_anonymous_memory(void) {
  char *rw = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *rx = mremap(rw, 0, PAGE, MREMAP_MAYMOVE);
  CHECK(rx != MAP_FAILED);
  EQ(mprotect(rx, PAGE, RX), 0);
  two_views(rw, rx);
}
static void views_of_a_segment(void) {
  int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
  if (id < 0) return;
  char *rw = shmat(id, NULL, 0), *rx = shmat(id, NULL, SHM_RDONLY | SHM_EXEC);
  shmctl(id, IPC_RMID, NULL);
  two_views(rw, rx);
}

// A file's page changes under its executable mapping; then the file ends before it.
static void file_changes(void) {
  catch_faults();
  char name[] = "/tmp/codeXXXXXX";
  int fd = mkstemp(name);
  insn code[2];
  put_fn(code, 0), pwrite(fd, code, 8, 0);
  char *rx[2] = {mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0), mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, 0)};
  for (unsigned i = 0; i < 500; i++) {
    put_fn(code, i), pwrite(fd, code, 8, 0), sync_line(rx[i & 1]);
    EQ(call(rx[0]), i);
    EQ(call(rx[1]), i);
  }
  for (int i = 0; i < 4; i++) {
    if (i == 0) EQ(ftruncate(fd, 0), 0);
    if (i == 1) EQ(truncate(name, 0), 0);
    if (i == 2) close(open(name, O_WRONLY | O_TRUNC));
    if (i == 3) close(creat(name, 0600));
    EQ(outcome(rx[0]), SIGBUS);
    EQ(outcome(rx[1]), SIGBUS);
    put_fn(code, 77), pwrite(fd, code, 8, 0);
    EQ(call(rx[0]), 77);
    EQ(call(rx[1]), 77);
  }
  EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE), 0);
  EQ(outcome(rx[0]), SIGILL);
  unlink(name);
}

// One process writes code in shared memory, the other runs it after an ISB, or after a system call.
static void between_processes(char *writer, char *runner) {
  struct { _Atomic int turn; } *s = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int to[2], from[2];
  CHECK(!pipe(to) && !pipe(from));
  put_fn(writer, 1), sync_line(writer);
  EQ(call(runner), 1);
  pid_t child = fork();
  if (!child) {
    for (int i = 2; i < 600; i++) {
      char c;
      put_fn(writer, (unsigned)i), publish_line(writer);
      if (i & 1) {
        s->turn = i;
        while (s->turn == i) sched_yield();
      } else {
        write(to[1], "", 1), read(from[0], &c, 1);
      }
    }
    _exit(0);
  }
  for (int i = 2; i < 600; i++) {
    char c;
    if (i & 1) {
      // No system call: this side sees the flag, and synchronizes itself.
      while (s->turn != i) {}
      isb();
      EQ(call(runner), i);
      s->turn = 0;
    } else {
      read(to[0], &c, 1);
      EQ(call(runner), i);
      write(from[1], "", 1);
    }
  }
  int status;
  waitpid(child, &status, 0);
  EQ(status, 0);
}
static void processes_share_memory(void) {
  char *p = mmap(NULL, PAGE, RWX, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  between_processes(p, p);
}
static void processes_share_a_file(void) {
  int fd = memfd_create("code", 0);
  ftruncate(fd, PAGE);
  char *rx = mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0), *rw = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
  between_processes(rw, rx);
}

// What is private stays so.
static void processes_apart(void) {
  char *p = map(PAGE, RWX);
  put_fn(p, 1), flush(p, 8);
  for (int i = 0; i < 100; i++) {
    EQ(call(p), 1 + i);
    pid_t child = fork();
    if (!child) {
      put_fn(p, 1000), flush(p, 8);
      _exit(call(p) == 1000 ? 7 : 8);
    }
    put_fn(p, (unsigned)(2 + i)), flush(p, 8);
    int status;
    waitpid(child, &status, 0);
    EQ(WEXITSTATUS(status), 7);
  }
}

// Another process writes into this one's memory; this one invalidates.
static void written_by_a_process(void) {
  char *p = map(PAGE, RWX);
  int to[2], from[2];
  CHECK(!pipe(to) && !pipe(from));
  pid_t child = fork();
  if (!child) {
    for (int i = 0; i < 200; i++) {
      char c;
      read(to[0], &c, 1);
      flush(p, 8);
      int got = call(p);
      write(from[1], &got, sizeof got);
    }
    _exit(0);
  }
  for (int i = 0; i < 200; i++) {
    insn code[2];
    put_fn(code, (unsigned)i);
    struct iovec local = {code, 8}, remote = {p, 8};
    EQ(process_vm_writev(child, &local, 1, &remote, 1, 0), 8);
    write(to[1], "", 1);
    int got;
    read(from[0], &got, sizeof got);
    EQ(got, i);
  }
}

// Trampolines on the stack: GCC's nested functions, with ever new frames.
static int apply(int (*f)(int), int x) { return f(x); }
static int nested(int depth, int k) {
  int inner(int x) { return x * k + depth; }
  int r = apply(inner, 3);
  return depth ? r + nested(depth - 1, k + 1) : r;
}
static void trampolines(void) {
  for (int round = 0; round < 300; round++) {
    int sum = 0;
    for (int d = 0; d <= 20; d++) sum += 3 * (round + 20 - d) + d;
    EQ(nested(20, round), sum);
  }
}

// A handler that writes the instruction that was missing, and goes back to it.
static insn *missing;
static unsigned supplied;
static void supply(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  if ((insn *)info->si_addr != missing) _exit(9);
  *missing = add_imm(0, 0, supplied), sync_line(missing);
}
static void lazily_patched(void) {
  insn *p = map(PAGE, RWX);
  struct sigaction a = {.sa_sigaction = supply, .sa_flags = SA_SIGINFO};
  sigaction(SIGILL, &a, NULL), sigaction(SIGTRAP, &a, NULL);
  missing = p + 1;
  for (unsigned i = 0; i < 2000; i++) {
    p[0] = movz(0, 5), p[1] = i & 1 ? 0 : brk_insn(i & 0xffff), p[2] = RET, sync_line(p);
    supplied = i & 0xfff;
    EQ(call(p), 5 + supplied);
    EQ(call(p), 5 + supplied);
  }
}

// Instructions about which something was learned (a conversion that faulted once) become others.
static void learned(void) {
  insn *p = map(PAGE, RWX);
  double (*f)(double, double) = (double (*)(double, double))p;
  for (int i = 0; i < 300; i++) {
    p[0] = 0x1e611800, p[1] = RET, flush(p, 8); // fdiv d0, d0, d1
    CHECK(f(0, 0) != f(0, 0));
    CHECK(f(6, 2) == 3);
    p[0] = 0x1e612800, flush(p, 4); // fadd d0, d0, d1
    CHECK(f(6, 2) == 8);
  }
}

// A child that shares memory (vfork) writes code for its parent.
static char *shared_page;
static void vforked(void) {
  shared_page = map(PAGE, RWX);
  for (unsigned i = 0; i < 200; i++) {
    put_fn(shared_page, i), flush(shared_page, 8);
    EQ(call(shared_page), i);
    pid_t child = vfork();
    if (!child) {
      put_fn(shared_page, i + 1), flush(shared_page, 8);
      _exit(0);
    }
    EQ(call(shared_page), i + 1);
    waitpid(child, NULL, 0);
  }
}

// Invalidation of what is no code, and of very many lines.
static void nothing_there(void) {
  size_t n = 64 << 20;
  char *p = mmap(NULL, n, RWX, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  put_fn(p + n - PAGE, 3), flush(p + n - PAGE, 8);
  EQ(call(p + n - PAGE), 3);
  put_fn(p + n - PAGE, 4);
  flush(p + n - (1 << 20), 1 << 20);
  EQ(call(p + n - PAGE), 4);
}

#define T(name) {#name, name}
int main(int argc, char **argv) {
  static const struct test tests[] = {
      T(rewritten), T(by_hand), T(next_instruction), T(loop_changes_itself), T(chains), T(across_pages), T(cache_type), T(flips), T(exec_only),
      T(replaced), T(dropped), T(written_by_the_kernel), T(views_of_a_memfd), T(views_of_a_file), T(views_of_anonymous_memory),
      T(views_of_a_segment), T(file_changes), T(processes_share_memory), T(processes_share_a_file), T(processes_apart), T(written_by_a_process),
      T(trampolines), T(lazily_patched), T(learned), T(vforked), T(nothing_there),
  };
  return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
