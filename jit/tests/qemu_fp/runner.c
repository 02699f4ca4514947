/* Runs single A64 instructions on given register states: stdin holds groups of { insn, count, states }, stdout gets { status, state } each. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct state {
    uint64_t x[16];
    unsigned char v[32][16];
    uint64_t nzcv, fpcr, fpsr, pad;
};

void run(struct state *s, void *code);

__asm__(
    ".text\n.globl run\nrun:\n"
    "stp x29, x30, [sp, #-160]!\n"
    "stp x19, x20, [sp, #16]\n"
    "stp d8, d9, [sp, #32]\nstp d10, d11, [sp, #48]\nstp d12, d13, [sp, #64]\nstp d14, d15, [sp, #80]\n"
    "mov x19, x0\nmov x20, x1\n"
    "ldr x2, [x19, #640]\nmsr nzcv, x2\n"
    "ldr x2, [x19, #648]\nmsr fpcr, x2\n"
    "ldr x2, [x19, #656]\nmsr fpsr, x2\n"
    ".irp n,0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
    "add x2, x19, #128 + \\n * 16\nldr q\\n, [x2]\n"
    ".endr\n"
    ".irp n,1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31\n"
    "add x2, x19, #128 + \\n * 16\nldr q\\n, [x2]\n"
    ".endr\n"
    "ldp x0, x1, [x19]\nldp x2, x3, [x19, #16]\nldp x4, x5, [x19, #32]\nldp x6, x7, [x19, #48]\n"
    "ldp x8, x9, [x19, #64]\nldp x10, x11, [x19, #80]\nldp x12, x13, [x19, #96]\nldp x14, x15, [x19, #112]\n"
    "blr x20\n"
    "stp x0, x1, [x19]\nstp x2, x3, [x19, #16]\nstp x4, x5, [x19, #32]\nstp x6, x7, [x19, #48]\n"
    "stp x8, x9, [x19, #64]\nstp x10, x11, [x19, #80]\nstp x12, x13, [x19, #96]\nstp x14, x15, [x19, #112]\n"
    "mrs x2, nzcv\nstr x2, [x19, #640]\n"
    "mrs x2, fpsr\nstr x2, [x19, #656]\n"
    "msr fpcr, xzr\n"
    ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
    "add x2, x19, #128 + \\n * 16\nstr q\\n, [x2]\n"
    ".endr\n"
    "ldp d8, d9, [sp, #32]\nldp d10, d11, [sp, #48]\nldp d12, d13, [sp, #64]\nldp d14, d15, [sp, #80]\n"
    "ldp x19, x20, [sp, #16]\n"
    "ldp x29, x30, [sp], #160\nret\n");

static sigjmp_buf undefined;

static void on_sigill(int sig) {
    (void)sig;
    siglongjmp(undefined, 1);
}

int main(void) {
    uint32_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t head[2];
    struct state s;
    if (code == MAP_FAILED)
        return 1;
    signal(SIGILL, on_sigill);
    while (fread(head, sizeof head, 1, stdin) == 1) {
        code[0] = head[0];
        code[1] = 0xd65f03c0; /* ret */
        __builtin___clear_cache((char *)code, (char *)(code + 2));
        for (uint32_t n = 0; n < head[1]; n++) {
            volatile uint32_t status = 0;
            if (fread(&s, sizeof s, 1, stdin) != 1)
                return 2;
            if (sigsetjmp(undefined, 1) == 0)
                run(&s, code);
            else
                status = 1;
            uint32_t out = status;
            fwrite(&out, sizeof out, 1, stdout);
            fwrite(&s, sizeof s, 1, stdout);
        }
    }
    return 0;
}
