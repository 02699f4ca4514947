// Dies in the way that its argument names.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

static volatile int zero;
static volatile uintptr_t sink;

NOINLINE void write_null(void) { *(volatile int *)(uintptr_t)(zero + 16) = 1; }
NOINLINE int read_null(void) { return *(volatile int *)(uintptr_t)(zero + 32); }
NOINLINE void leaf_store(long *p) { *p = 7; }
NOINLINE void jump_unmapped(void) { ((void (*)(void))(uintptr_t)0x123450)(); sink++; }
NOINLINE int deep(int n) { volatile char a[512]; memset((char *)a, n, sizeof a); return deep(n + 1) + a[3]; }
#ifdef __aarch64__
NOINLINE void undefined(void) { __asm__ volatile("udf #1"); }
NOINLINE void trap(void) { __asm__ volatile("brk #1"); }
NOINLINE void misaligned(char *p) { __asm__ volatile("ldaxp x1, x2, [%0]" ::"r"(p) : "x1", "x2", "memory"); }
NOINLINE void vector_store(void *p) { __asm__ volatile("movi v0.16b, #0x5a\n\tst1 {v0.16b}, [%0]" ::"r"(p) : "v0", "memory"); }
NOINLINE void smashed(void) { __asm__ volatile("mov x29, #0x41\n\tmov x30, #0x42\n\tmov x9, #8\n\tstr xzr, [x9]" ::: "x9", "x30"); }
NOINLINE void circle(void) {
    static uint64_t frames[2];
    frames[0] = (uintptr_t)frames; frames[1] = (uintptr_t)circle;
    __asm__ volatile("mov x29, %0\n\tmov sp, %0\n\tmov x30, #0\n\tbr %1" ::"r"(frames), "r"((uintptr_t)0x4444440));
}
#else
NOINLINE void undefined(void) { __asm__ volatile("ud2"); }
NOINLINE void trap(void) { __asm__ volatile("int3"); }
NOINLINE void misaligned(char *p) { __asm__ volatile("movaps %%xmm0, (%0)" ::"r"(p) : "memory"); }
NOINLINE void vector_store(void *p) { __asm__ volatile("movd %1, %%xmm0\n\tpshufd $0, %%xmm0, %%xmm0\n\tmovdqu %%xmm0, (%0)" ::"r"(p), "r"(0x5a5a5a5a) : "xmm0", "memory"); }
NOINLINE void smashed(void) { __asm__ volatile("mov $0x41, %%ebp\n\tmov $0x40, %%esp\n\tmov $8, %%eax\n\tmovq $0, (%%rax)" ::: "rax"); }
NOINLINE void circle(void) {
    static uint64_t frames[2];
    frames[0] = (uintptr_t)frames; frames[1] = (uintptr_t)circle;
    __asm__ volatile("mov %0, %%rbp\n\tmov %0, %%rsp\n\tjmp *%1" ::"r"(frames), "r"((uintptr_t)0x4444440));
}
#endif
static void handler(int sig) { (void)sig; write_null(); }
static void *thread(void *arg) { (void)arg; write_null(); return 0; }
static void *spin(void *arg) { (void)arg; for (;;) sink++; return 0; }
static void *sleeper(void *arg) { (void)arg; for (;;) pause(); return 0; }

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    char *page = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!strcmp(how, "write")) write_null();
    if (!strcmp(how, "read")) read_null();
    if (!strcmp(how, "leaf")) leaf_store((long *)(uintptr_t)(zero + 8));
    if (!strcmp(how, "jump")) jump_unmapped();
    if (!strcmp(how, "udf")) undefined();
    if (!strcmp(how, "trap")) trap();
    if (!strcmp(how, "misaligned")) misaligned(page + 1);
    if (!strcmp(how, "readonly")) { mprotect(page, 4096, PROT_READ); leaf_store((long *)page); }
    if (!strcmp(how, "vector")) { mprotect(page, 4096, PROT_READ); vector_store(page); }
    if (!strcmp(how, "overflow")) return deep(0);
    if (!strcmp(how, "abort")) abort();
    if (!strcmp(how, "raise")) raise(SIGSEGV);
    if (!strcmp(how, "quit")) raise(SIGQUIT);
    if (!strcmp(how, "term")) raise(SIGTERM);
    if (!strcmp(how, "smashed")) smashed();
    if (!strcmp(how, "circle")) circle();
    if (!strcmp(how, "handler")) { signal(SIGUSR1, handler); raise(SIGUSR1); }
    if (!strcmp(how, "thread")) {
        pthread_t t;
        pthread_create(&t, 0, sleeper, 0); pthread_create(&t, 0, spin, 0); usleep(20000);
        pthread_create(&t, 0, thread, 0); pthread_join(t, 0);
    }
    // A child's death: with our stderr, and with a pipe as its stderr, of which the size is told.
    if (!strcmp(how, "child")) { if (!fork()) write_null(); wait(0); }
    if (!strcmp(how, "captured")) {
        int p[2]; char text[4096]; ssize_t n, all = 0;
        pipe(p);
        if (!fork()) { dup2(p[1], 2); close(p[1]); write_null(); }
        close(p[1]);
        while ((n = read(p[0], text, sizeof text)) > 0) all += n;
        wait(0); printf("captured %d\n", (int)all);
    }
    // Another file in the place of the program's.
    if (!strcmp(how, "replaced")) { rename(argv[2], argv[0]); write_null(); }
    if (!strcmp(how, "private")) { prctl(PR_SET_DUMPABLE, 0); write_null(); }
    if (!strcmp(how, "secret")) {
        // Not as a whole in the program's own data.
        for (int i = 0; i < 2; i++) { strcpy(page + i * 8192, "run-"); strcat(page + i * 8192, i ? "this-is-seen" : "this-is-kept-away"); }
        madvise(page, 4096, MADV_DONTDUMP);
        write_null();
    }
    return 3;
}
