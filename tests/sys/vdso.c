// The vDSO: found as C libraries find it, called directly, and described by /proc.
#include "sys.h"
#include <elf.h>
#include <execinfo.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <ucontext.h>

#ifdef __aarch64__
#define NAME(n) "__kernel_" n
#define VERSION "LINUX_2.6.39"
#define PC(u) ((u)->uc_mcontext.pc)
#define UNDEFINED "hvc #0"
#else
#define NAME(n) "__vdso_" n
#define VERSION "LINUX_2.6"
#define PC(u) ((u)->uc_mcontext.gregs[REG_RIP])
#define UNDEFINED "ud2"
#endif

static char *base, *end;
static struct {
  Elf64_Sym *symbols;
  const char *names;
  uint32_t *hash;
  uint16_t *versym;
  Elf64_Verdef *verdef;
  const char *soname;
} image;

static void read_image(void) {
  Elf64_Ehdr *e = (void *)base;
  Elf64_Phdr *p = (void *)(base + e->e_phoff);
  Elf64_Dyn *d = NULL;
  char *bias = NULL;
  IS(memcmp(base, ELFMAG, SELFMAG) == 0 && e->e_type == ET_DYN);
  for (int i = 0; i < e->e_phnum; i++) {
    if (p[i].p_type == PT_LOAD && !bias)
      bias = base + p[i].p_offset - p[i].p_vaddr;
    if (p[i].p_type == PT_DYNAMIC)
      d = (void *)(base + p[i].p_offset);
  }
  size_t soname = 0;
  for (; d && d->d_tag != DT_NULL; d++) {
    void *at = bias + d->d_un.d_ptr;
    switch (d->d_tag) {
    case DT_STRTAB: image.names = at; break;
    case DT_SYMTAB: image.symbols = at; break;
    case DT_HASH: image.hash = at; break;
    case DT_VERSYM: image.versym = at; break;
    case DT_VERDEF: image.verdef = at; break;
    case DT_SONAME: soname = d->d_un.d_val; break;
    }
  }
  printf("soname %s\n", image.names + soname);
}

static uint32_t elf_hash(const char *s) {
  uint32_t h = 0, g;
  for (; *s; s++)
    h = (h << 4) + *s, g = h & 0xf0000000, h = (h ^ g >> 24) & ~g;
  return h;
}

static int has_version(int number) {
  for (Elf64_Verdef *v = image.verdef;; v = (void *)((char *)v + v->vd_next)) {
    Elf64_Verdaux *name = (void *)((char *)v + v->vd_aux);
    if (v->vd_ndx == (number & 0x7fff))
      return v->vd_hash == elf_hash(VERSION) && !strcmp(image.names + name->vda_name, VERSION);
    if (!v->vd_next)
      return 0;
  }
}

// By the hash table where there is one, as small C libraries do; else by the list.
static void *find(const char *name) {
  if (!image.hash)
    for (Elf64_Sym *s = image.symbols;; s++)
      if (!strcmp(image.names + s->st_name, name))
        return base + s->st_value;
  uint32_t n = image.hash[2 + elf_hash(name) % image.hash[0]];
  for (; n; n = image.hash[2 + image.hash[0] + n])
    if (!strcmp(image.names + image.symbols[n].st_name, name) && image.symbols[n].st_shndx != SHN_UNDEF)
      return has_version(image.versym[n]) ? base + image.symbols[n].st_value : NULL;
  return NULL;
}

static void described(void) {
  FILE *f = fopen("/proc/self/maps", "r");
  char line[512], perms[8];
  unsigned long from, to, offset, inode;
  unsigned major, minor;
  int lines = 0;
  while (fgets(line, sizeof line, f)) {
    if (!strstr(line, "[vdso]"))
      continue;
    lines++;
    sscanf(line, "%lx-%lx %7s %lx %x:%x %lu", &from, &to, perms, &offset, &major, &minor, &inode);
    printf("maps: %s %lx %x:%x %lu\n", perms, offset, major, minor, inode);
    IS((char *)from == base && to > from);
    end = (char *)to;
  }
  fclose(f);
  printf("%d line\n", lines);
}

static int (*gettime)(clockid_t, struct timespec *);
static int (*getres)(clockid_t, struct timespec *);
static int (*timeofday)(struct timeval *, struct timezone *);

static int before(struct timespec a, struct timespec b) { return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec); }

static void values(void) {
  const clockid_t each[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC_RAW,
                            CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE, CLOCK_BOOTTIME, CLOCK_TAI};
  for (int i = 0; i < 9; i++) {
    int good = 1;
    for (int n = 0; n < 1000; n++) {
      struct timespec a, t = {-1, -1}, b;
      syscall(SYS_clock_gettime, each[i], &a);
      good &= gettime(each[i], &t) == 0;
      syscall(SYS_clock_gettime, each[i], &b);
      good &= before(a, t) && before(t, b) && t.tv_nsec >= 0 && t.tv_nsec < 1000000000;
    }
    struct timespec r, s;
    good &= getres(each[i], &r) == 0 && syscall(SYS_clock_getres, each[i], &s) == 0 && !memcmp(&r, &s, sizeof r);
    printf("clock %d: %s\n", each[i], good ? "between two calls" : "wrong");
  }
  int good = 1;
  for (int n = 0; n < 1000; n++) {
    struct timespec a, b;
    struct timeval t;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &a);
    good &= timeofday(&t, NULL) == 0;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &b);
    a.tv_nsec = a.tv_nsec / 1000 * 1000;
    struct timespec m = {t.tv_sec, t.tv_usec * 1000};
    good &= before(a, m) && before(m, b);
  }
  IS(good);
  struct timezone here = {1, 1}, there = {2, 2};
  struct timeval t;
  R(timeofday(&t, &here)), R(timeofday(NULL, NULL)), R(timeofday(NULL, &there));
  syscall(SYS_gettimeofday, &t, &there);
  IS(!memcmp(&here, &there, sizeof here));
  // Errors are not errno's business here.
  struct timespec ts;
  IS(gettime(77, &ts) == -EINVAL), IS(gettime(10, &ts) == -EINVAL), IS(getres(77, &ts) == -EINVAL), IS(getres(0, NULL) == 0);
  IS(gettime(-100000, &ts) == -EINVAL);
}

static sigjmp_buf back;
static int found_frames;
static void outer(void);

static void on_fault(int s, siginfo_t *i, void *c) {
  ucontext_t *u = c;
  printf("%s, address %s, pc %s\n", strsignal(s), i->si_addr == BAD ? "as given" : "another",
         (char *)PC(u) >= base && (char *)PC(u) < end ? "in the vDSO" : "elsewhere");
  siglongjmp(back, 1);
}

static void on_ill(int s, siginfo_t *i, void *c) { printf("%s\n", strsignal(s)), siglongjmp(back, 1); }

static void faults(void) {
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, NULL);
  for (int n = 0; n < 3; n++)
    if (!sigsetjmp(back, 1))
      n < 2 ? gettime(n, BAD) : timeofday(BAD, NULL);
  // What the vDSO is made of is not for everybody.
  sa.sa_sigaction = on_ill;
  sigaction(SIGILL, &sa, NULL);
  if (!sigsetjmp(back, 1))
    __asm__ volatile(UNDEFINED);
}

// Out of a handler, by way of the kernel's frame.
__attribute__((noinline)) static void on_usr1(int s) {
  void *frames[64];
  int n = backtrace(frames, 64);
  for (int i = 0; i < n; i++)
    found_frames += (char *)frames[i] >= (char *)outer && (char *)frames[i] < (char *)outer + 200;
}
__attribute__((noinline)) static void outer(void) {
  raise(SIGUSR1);
  __asm__ volatile("" ::: "memory");
}

static void *in_a_thread(void *p) {
  struct timespec t;
  for (int n = 0; n < 20000; n++)
    if (gettime(n & 1, &t))
      return NULL;
  return "ok";
}

// A filter of system calls has no say.
static void filtered(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {4, code};
  struct timespec t;
  R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)), R(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter));
  R(syscall(SYS_clock_gettime, 0, &t)), R(gettime(CLOCK_REALTIME, &t)), R(clock_gettime(CLOCK_MONOTONIC, &t));
}

int main(void) {
  base = (char *)getauxval(AT_SYSINFO_EHDR);
  IS(base != NULL);
  read_image(), described();
  gettime = find(NAME("clock_gettime")), getres = find(NAME("clock_getres")), timeofday = find(NAME("gettimeofday"));
  IS(gettime && getres && timeofday);
  IS(!find(NAME("nothing")));
  values(), faults();
  signal(SIGUSR1, on_usr1);
  outer();
  IS(found_frames == 1);
  pthread_t threads[4];
  int fine = 0;
  for (int n = 0; n < 4; n++)
    pthread_create(&threads[n], NULL, in_a_thread, NULL);
  for (int n = 0; n < 4; n++) {
    void *r;
    pthread_join(threads[n], &r);
    fine += r != NULL;
  }
  IS(fine == 4);
  fflush(stdout);
  pid_t child = fork();
  if (!child) {
    struct timespec t;
    IS(gettime(0, &t) == 0);
    filtered();
    exit(0);
  }
  waitpid(child, NULL, 0);
}
