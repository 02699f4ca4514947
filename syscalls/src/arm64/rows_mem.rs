//! Rows of the arm64 table: mem.

use crate::table::{Row, Run, Support};

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 214, name: "brk", args: "xxxxxx", run: Run::Pass(12), support: Support::Partial("not reviewed") },
    Row { nr: 215, name: "munmap", args: "xxxxxx", run: Run::Pass(11), support: Support::Partial("not reviewed") },
    Row { nr: 216, name: "mremap", args: "xxxxxx", run: Run::Pass(25), support: Support::Partial("not reviewed") },
    Row { nr: 222, name: "mmap", args: "xxxxxx", run: Run::Pass(9), support: Support::Partial("not reviewed") },
    Row { nr: 226, name: "mprotect", args: "xxxxxx", run: Run::Pass(10), support: Support::Partial("not reviewed") },
    Row { nr: 227, name: "msync", args: "xxxxxx", run: Run::Pass(26), support: Support::Partial("not reviewed") },
    Row { nr: 228, name: "mlock", args: "xxxxxx", run: Run::Pass(149), support: Support::Partial("not reviewed") },
    Row { nr: 229, name: "munlock", args: "xxxxxx", run: Run::Pass(150), support: Support::Partial("not reviewed") },
    Row { nr: 230, name: "mlockall", args: "xxxxxx", run: Run::Pass(151), support: Support::Partial("not reviewed") },
    Row { nr: 231, name: "munlockall", args: "xxxxxx", run: Run::Pass(152), support: Support::Partial("not reviewed") },
    Row { nr: 232, name: "mincore", args: "xxxxxx", run: Run::Pass(27), support: Support::Partial("not reviewed") },
    Row { nr: 233, name: "madvise", args: "xxxxxx", run: Run::Pass(28), support: Support::Partial("not reviewed") },
    Row { nr: 234, name: "remap_file_pages", args: "xxxxxx", run: Run::Pass(216), support: Support::Partial("not reviewed") },
    Row { nr: 235, name: "mbind", args: "xxxxxx", run: Run::Pass(237), support: Support::Partial("not reviewed") },
    Row { nr: 236, name: "get_mempolicy", args: "xxxxxx", run: Run::Pass(239), support: Support::Partial("not reviewed") },
    Row { nr: 237, name: "set_mempolicy", args: "xxxxxx", run: Run::Pass(238), support: Support::Partial("not reviewed") },
    Row { nr: 238, name: "migrate_pages", args: "xxxxxx", run: Run::Pass(256), support: Support::Partial("not reviewed") },
    Row { nr: 239, name: "move_pages", args: "xxxxxx", run: Run::Pass(279), support: Support::Partial("not reviewed") },
    Row { nr: 270, name: "process_vm_readv", args: "xxxxxx", run: Run::Pass(310), support: Support::Partial("not reviewed") },
    Row { nr: 271, name: "process_vm_writev", args: "xxxxxx", run: Run::Pass(311), support: Support::Partial("not reviewed") },
    Row { nr: 283, name: "membarrier", args: "xxxxxx", run: Run::Pass(324), support: Support::Partial("not reviewed") },
    Row { nr: 284, name: "mlock2", args: "xxxxxx", run: Run::Pass(325), support: Support::Partial("not reviewed") },
    Row { nr: 288, name: "pkey_mprotect", args: "xxxxxx", run: Run::Pass(329), support: Support::Partial("not reviewed") },
    Row { nr: 289, name: "pkey_alloc", args: "xxxxxx", run: Run::Pass(330), support: Support::Partial("not reviewed") },
    Row { nr: 290, name: "pkey_free", args: "xxxxxx", run: Run::Pass(331), support: Support::Partial("not reviewed") },
    Row { nr: 440, name: "process_madvise", args: "xxxxxx", run: Run::Pass(440), support: Support::Partial("not reviewed") },
    Row { nr: 448, name: "process_mrelease", args: "xxxxxx", run: Run::Pass(448), support: Support::Partial("not reviewed") },
    Row { nr: 450, name: "set_mempolicy_home_node", args: "xxxxxx", run: Run::Pass(450), support: Support::Partial("not reviewed") },
    Row { nr: 453, name: "map_shadow_stack", args: "xxxxxx", run: Run::Fail(libc::ENOSYS), support: Support::Partial("not reviewed") },
    Row { nr: 462, name: "mseal", args: "xxxxxx", run: Run::Pass(462), support: Support::Partial("not reviewed") },
];
