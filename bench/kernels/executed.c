/* A plugin for QEMU that counts the instructions that a program executes, all threads together, and says so at the end in a file:
 * -plugin executed.so,out=FILE[,top=N]. With `top`, the N blocks follow that cost most: count, address, code in hexadecimal. */
#include <inttypes.h>
#include <pthread.h>
#include <qemu-plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum { LONGEST = 2048 };

struct block {
    uint64_t pc, instructions;
    qemu_plugin_u64 executed;
    uint64_t total;
    size_t bytes;
    uint8_t code[];
};

static qemu_plugin_u64 executed;
static FILE *out;
static size_t top, count, room;
static struct block **blocks;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct block *remember(struct qemu_plugin_tb *tb, size_t n)
{
    struct block *b = calloc(1, sizeof *b + LONGEST);
    b->pc = qemu_plugin_tb_vaddr(tb);
    b->instructions = n;
    b->executed = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
    for (size_t i = 0; i < n && b->bytes + 16 <= LONGEST; i++)
        b->bytes += qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i), b->code + b->bytes, 16);
    pthread_mutex_lock(&lock);
    if (count == room)
        blocks = realloc(blocks, (room = room * 2 + 1024) * sizeof *blocks);
    blocks[count++] = b;
    pthread_mutex_unlock(&lock);
    return b;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    size_t n = qemu_plugin_tb_n_insns(tb);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, executed, n);
    if (top)
        qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, remember(tb, n)->executed, n);
}

static int dearer(const void *a, const void *b)
{
    uint64_t x = (*(struct block *const *)a)->total, y = (*(struct block *const *)b)->total;
    return (x < y) - (x > y);
}

static void ended(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    fprintf(out, "%" PRIu64 "\n", qemu_plugin_u64_sum(executed));
    for (size_t i = 0; i < count; i++)
        blocks[i]->total = qemu_plugin_u64_sum(blocks[i]->executed);
    qsort(blocks, count, sizeof *blocks, dearer);
    for (size_t i = 0; i < top && i < count; i++) {
        fprintf(out, "%" PRIu64 " %#" PRIx64 " ", blocks[i]->total, blocks[i]->pc);
        for (size_t k = 0; k < blocks[i]->bytes; k++)
            fprintf(out, "%02x", blocks[i]->code[k]);
        fputc('\n', out);
    }
    fclose(out);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "out=", 4))
            out = fopen(argv[i] + 4, "w"); /* now: the program may change its root */
        else if (!strncmp(argv[i], "top=", 4))
            top = strtoul(argv[i] + 4, NULL, 10);
        else
            return -1;
    }
    if (!out)
        return -1;
    executed = qemu_plugin_scoreboard_u64(qemu_plugin_scoreboard_new(sizeof(uint64_t)));
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_atexit_cb(id, ended, NULL);
    return 0;
}
