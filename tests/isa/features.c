// What a program can learn about the CPU, in one line per feature: announced by AT_HWCAP, by /proc/cpuinfo, by its field of an
// identification register, and whether its instruction runs.
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

static sigjmp_buf back;
static void ill(int sig) { siglongjmp(back, sig); }

#define REG(name, op1, crm, op2)                                                     \
    static uint64_t name(void) {                                                     \
        uint64_t v;                                                                  \
        __asm__ volatile("mrs %0, s3_" #op1 "_c0_c" #crm "_" #op2 : "=r"(v));        \
        return v;                                                                    \
    }
REG(pfr0, 0, 4, 0) REG(pfr1, 0, 4, 1) REG(isar0, 0, 6, 0) REG(isar1, 0, 6, 1) REG(mmfr2, 0, 7, 2)

// Instruction words: all work on v0, v1, v2, x0, w0, with x1 an address.
#define RUN(word) __asm__ volatile("mov x1, %0\n .inst " #word : : "r"(memory) : "x0", "x1", "v0", "cc", "memory")
static uint64_t memory[8] __attribute__((aligned(64)));
#define INSN(name, word) static void name(void) { RUN(word); }
INSN(i_aes, 0x4e284820) INSN(i_pmull, 0x0ee2e020) INSN(i_sha1, 0x5e280820) INSN(i_sha2, 0x5e282820) INSN(i_crc32, 0x1ac14000)
INSN(i_atomics, 0xf8220020) INSN(i_fphp, 0x1ee22820) INSN(i_asimdhp, 0x4e421420) INSN(i_rdm, 0x6e828420) INSN(i_jscvt, 0x1e7e0020)
INSN(i_fcma, 0x6e82c420) INSN(i_lrcpc, 0xf8bfc020) INSN(i_dcpop, 0xd50b7c21) INSN(i_sha3, 0xce020c20) INSN(i_sm3, 0xce420c20)
INSN(i_sm4, 0xcec08420) INSN(i_dp, 0x4e829420) INSN(i_sha512, 0xcec08020) INSN(i_fhm, 0x4e22ec20) INSN(i_ilrcpc, 0xd9400020)
INSN(i_flagm, 0xd500401f) INSN(i_ssbs, 0xd53b42c0) INSN(i_sb, 0xd50330ff) INSN(i_dcpodp, 0xd50b7d21) INSN(i_flagm2, 0xd500405f)
INSN(i_frint, 0x1e684020) INSN(i_i8mm, 0x4e82a420) INSN(i_bf16, 0x1e634020) INSN(i_rng, 0xd53b2400) INSN(i_cpuid, 0xd5380000)

static const struct {
    const char *name;
    int bit;  // of AT_HWCAP, or 32 plus the bit of AT_HWCAP2
    uint64_t (*reg)(void);
    int field, least;
    void (*insn)(void);
} list[] = {
    {"aes", 3, isar0, 4, 1, i_aes}, {"pmull", 4, isar0, 4, 2, i_pmull}, {"sha1", 5, isar0, 8, 1, i_sha1},
    {"sha2", 6, isar0, 12, 1, i_sha2}, {"crc32", 7, isar0, 16, 1, i_crc32}, {"atomics", 8, isar0, 20, 2, i_atomics},
    {"fphp", 9, pfr0, 16, 1, i_fphp}, {"asimdhp", 10, pfr0, 20, 1, i_asimdhp}, {"cpuid", 11, 0, 0, 0, i_cpuid},
    {"asimdrdm", 12, isar0, 28, 1, i_rdm}, {"jscvt", 13, isar1, 12, 1, i_jscvt}, {"fcma", 14, isar1, 16, 1, i_fcma},
    {"lrcpc", 15, isar1, 20, 1, i_lrcpc}, {"dcpop", 16, isar1, 0, 1, i_dcpop}, {"sha3", 17, isar0, 32, 1, i_sha3},
    {"sm3", 18, isar0, 36, 1, i_sm3}, {"sm4", 19, isar0, 40, 1, i_sm4}, {"asimddp", 20, isar0, 44, 1, i_dp},
    {"sha512", 21, isar0, 12, 2, i_sha512}, {"asimdfhm", 23, isar0, 48, 1, i_fhm}, {"uscat", 25, mmfr2, 32, 1, 0},
    {"ilrcpc", 26, isar1, 20, 2, i_ilrcpc}, {"flagm", 27, isar0, 52, 1, i_flagm}, {"ssbs", 28, pfr1, 4, 2, i_ssbs},
    {"sb", 29, isar1, 36, 1, i_sb}, {"dcpodp", 32, isar1, 0, 2, i_dcpodp}, {"flagm2", 39, isar0, 52, 2, i_flagm2},
    {"frint", 40, isar1, 32, 1, i_frint}, {"i8mm", 45, isar1, 52, 1, i_i8mm}, {"bf16", 46, isar1, 44, 1, i_bf16},
    {"rng", 48, isar0, 60, 1, i_rng},
};

static char cpuinfo[4096];

static int listed(const char *name) {
    char want[32];
    snprintf(want, sizeof want, " %s ", name);
    return strstr(cpuinfo, want) != 0;
}

static int runs(void (*f)(void)) {
    if (sigsetjmp(back, 1)) return 0;
    f();
    return 1;
}

static int field(unsigned n) {
    if (sigsetjmp(back, 1)) return -1;  // hidden as a whole
    uint64_t v = list[n].reg() >> list[n].field & 15;
    return v != 15 && (int)v >= list[n].least;
}

// PSTATE.SSBS is set at first and keeps what is written; random numbers differ, and say by the flags that they are there.
static int ssbs(void) {
    uint64_t a, b, c;
    __asm__ volatile("mrs %0, s3_3_c4_c2_6\n .inst 0xd503403f\n mrs %1, s3_3_c4_c2_6\n msr s3_3_c4_c2_6, %0\n mrs %2, s3_3_c4_c2_6"
                     : "=&r"(a), "=&r"(b), "=&r"(c));
    return a == 1 << 12 && b == 0 && c == a;
}

static int random_numbers(void) {
    uint64_t a, b, flags;
    __asm__ volatile("cmp xzr, xzr\n mrs %0, s3_3_c2_c4_0\n mrs %2, nzcv\n mrs %1, s3_3_c2_c4_1" : "=&r"(a), "=&r"(b), "=&r"(flags) : : "cc");
    return a != b && flags == 0;
}

int main(void) {
    struct sigaction act = {.sa_handler = ill};
    sigaction(SIGILL, &act, 0);
    uint64_t caps = getauxval(AT_HWCAP) | getauxval(AT_HWCAP2) << 32, all = caps;
    FILE *f = fopen("/proc/cpuinfo", "r");
    char line[2048];
    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "Features", 8)) {
            line[strcspn(line, "\n")] = ' ';
            strcpy(cpuinfo, line);
        }
    for (unsigned n = 0; n < sizeof list / sizeof *list; n++) {
        int cap = caps >> list[n].bit & 1, reg = list[n].reg ? field(n) : cap, insn = list[n].insn ? runs(list[n].insn) : cap;
        caps &= ~(1ull << list[n].bit);
        printf("%s %s\n", list[n].name, cap == listed(list[n].name) && (reg == cap || reg < 0) && insn == cap ? cap ? "yes" : "no" : "INCONSISTENT");
        if (insn != cap || (reg >= 0 && reg != cap)) printf("  hwcap %d, register %d, instruction %d\n", cap, reg, insn);
    }
    printf("ssbs's state %s\n", !(all >> 28 & 1) || ssbs() ? "yes" : "WRONG");
    printf("random numbers %s\n", !(all >> 48 & 1) || random_numbers() ? "yes" : "WRONG");
    printf("others %#llx\n", (unsigned long long)caps);
}
