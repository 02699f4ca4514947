// guest: x86_64
// What only amd64 has: the frames of its faults, down to trap number, error code and MXCSR; changes in them that the return takes over; older calls.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <immintrin.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

// The flags that the instructions here leave defined are few: none is shown.
#define STATUS 0x8d5LL

static void show(int signal, siginfo_t *info, void *context) {
  ucontext_t *u = context;
  greg_t *g = u->uc_mcontext.gregs;
  struct _libc_fpstate *f = u->uc_mcontext.fpregs;
  const uint32_t *marks = (const uint32_t *)((const char *)f + 464);
  printf("signal %d code %d: flags %llx error %llx trap %lld cs %llx uc_flags %lx rax %llx\n", signal, info->si_code, g[REG_EFL] & ~STATUS,
         g[REG_ERR], g[REG_TRAPNO], g[REG_CSGSFS] & 0xffff, u->uc_flags, g[REG_RAX]);
  printf("  mxcsr %x fcw %x misaligned %d xmm1 %x mark %x behind %x\n", f->mxcsr, f->cwd, (int)((uintptr_t)f & 63), f->_xmm[1].element[0],
         marks[0], *(const uint32_t *)((const char *)f + marks[4]));
  printf("  in the handler: mxcsr %x\n", _mm_getcsr());
  if (signal == SIGSEGV && info->si_code != SI_KERNEL)
    printf("  at %p, cr2 %llx\n", info->si_addr, g[REG_CR2]);
  // All of them but int3 are left at the instruction.
  g[REG_RIP] += signal == SIGTRAP ? 0 : signal == SIGSEGV ? 3 : 2;
  f->_xmm[1].element[0] += 0x1000;
}

// An instruction with xmm1 = 0x77, rax and rdx as given; what the handler made of xmm1.
#define TRY(instruction, a, d)                                                                                                          \
  do {                                                                                                                                  \
    uint32_t out;                                                                                                                       \
    asm volatile("mov $0x77, %%ecx; movd %%ecx, %%xmm1; xor %%ecx, %%ecx; " instruction "; movd %%xmm1, %0"                             \
                 : "=r"(out)                                                                                                            \
                 : "a"((uint64_t)(a)), "d"((uint64_t)(d))                                                                               \
                 : "rcx", "xmm1", "memory");                                                                                            \
    printf("after: %x\n", out);                                                                                                         \
  } while (0)

// The 128 bytes below the stack pointer are the program's, whatever happens.
static void red_zone(void) {
  uint64_t low;
  asm volatile("pxor %%xmm1, %%xmm1; movq $0x5a5a, -128(%%rsp); mov $0xb, %%eax; ud2; movq -128(%%rsp), %0" : "=r"(low) : : "rax", "xmm1", "memory");
  printf("red zone: %llx\n", (unsigned long long)low);
}

// Hints: 0F 18 to 0F 1F, of which some have got a meaning (prefetches, landing pads, reading the shadow stack's pointer, which leaves the register alone where
// there is no such stack). All do nothing, whatever the operand; pcre2's compiler and the C library use them without asking.
static void hints(void) {
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  static const uint8_t prefixes[][3] = {{0}, {1, 0x66}, {1, 0xf3}, {1, 0xf2}, {1, 0x48}, {2, 0xf3, 0x48}};
  int done = 0, changed = 0;
  for (int p = 0; p < 6; p++)
    for (int op = 0x18; op < 0x20; op++)
      for (int modrm = 0; modrm < 256; modrm++) {
        uint8_t *at = code;
        // Registers, and memory at a register.
        if (modrm >> 6 == 1 || modrm >> 6 == 2 || (modrm < 64 && ((modrm & 7) == 4 || (modrm & 7) == 5))) continue;
        for (int i = 0; i < prefixes[p][0]; i++) *at++ = prefixes[p][1 + i];
        *at++ = 0x0f, *at++ = op, *at++ = modrm, *at++ = 0xc3;
        uint64_t a = 0x1111111111111111, c = 0x2222222222222222, d = 0x3333333333333333, b = 0x4444444444444444, s = 0x5555555555555555, t = 0x6666666666666666;
        asm volatile("sub $128, %%rsp; call *%6; add $128, %%rsp" : "+a"(a), "+c"(c), "+d"(d), "+b"(b), "+S"(s), "+D"(t) : "r"((uint64_t)code) : "memory", "cc");
        done++, changed += a != 0x1111111111111111 || c != 0x2222222222222222 || d != 0x3333333333333333 || b != 0x4444444444444444 || s != 0x5555555555555555 || t != 0x6666666666666666;
      }
  printf("%d hints, %d changed something\n", done, changed);
}

int main(void) {
  hints();
  struct sigaction action = {.sa_sigaction = show, .sa_flags = SA_SIGINFO};
  const int signals[] = {SIGILL, SIGTRAP, SIGFPE, SIGSEGV};
  for (int i = 0; i < 4; i++)
    sigaction(signals[i], &action, NULL);
  _mm_setcsr(0x3f80);
  TRY("ud2", 5, 6);
  TRY("int3", 5, 6);
  TRY("div %%ecx", 5, 0);
  TRY("mov %%rdx, (%%rax)", 0x1000, 1);
  TRY("mov (%%rax), %%rdx", 0x2000, 1);
  TRY("mov (%%rax), %%rdx", 1ull << 63, 1);
  red_zone();
  printf("mxcsr %x\n", _mm_getcsr());
  unsigned long fs = 0;
  printf("arch_prctl %ld %d\n", syscall(SYS_arch_prctl, ARCH_GET_FS, &fs), fs == (unsigned long)__builtin_thread_pointer());
  long late = syscall(SYS_time, 0) - time(NULL);
  printf("time %d poll %ld getpgrp %d\n", late >= -1 && late <= 1, syscall(SYS_poll, 0, 0, 5), syscall(SYS_getpgrp) == getpgrp());
  return 0;
}
