/* Plugin of qemu-user 7.2: at each sched_yield it logs, on a line of its own, how many instructions have run so far.
 *
 *     cc -shared -fPIC -nostdlib -O2 -o count_instructions.so count_instructions.c
 *
 * QEMU's header needs glib's, so the few prototypes are declared here. Nothing of libc is used: the plugin then loads beside
 * any libc, that of the machine it was compiled on or the one QEMU brings.
 */
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))
#define SCHED_YIELD 124 /* ARM64's number of the system call */
#define ADD_U64 0       /* QEMU_PLUGIN_INLINE_ADD_U64 */

typedef uint64_t plugin_id;
typedef struct qemu_plugin_tb block; /* instructions that run one after the other */
typedef void on_block(plugin_id, block *);
typedef void on_call(plugin_id, unsigned cpu, int64_t number, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                     uint64_t, uint64_t);

extern uint64_t qemu_plugin_tb_n_insns(const block *);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, on_block *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(block *, int operation, void *counter, uint64_t amount);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, on_call *);
extern void qemu_plugin_outs(const char *);

EXPORT int qemu_plugin_version = 1;

static uint64_t instructions;

static void translated(plugin_id id, block *translated_block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(translated_block, ADD_U64, &instructions,
                                             qemu_plugin_tb_n_insns(translated_block));
}

static void called(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f, uint64_t g, uint64_t h) {
    (void)id, (void)cpu, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h;
    if (number != SCHED_YIELD)
        return;
    char text[24]; /* 20 digits, a newline, the end */
    char *start = text + sizeof text;
    uint64_t rest = instructions;
    *--start = '\0';
    *--start = '\n';
    do
        *--start = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    qemu_plugin_outs(start);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, called);
    return 0;
}
