//! Rows of the arm64 table: mem.

use crate::table::{Row, Run, Support};
use crate::topics::mem;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { nr: 214, name: "brk", args: "x", run: Run::Call(mem::brk), support: Support::Partial("RLIMIT_DATA is not applied") },
    Row { nr: 215, name: "munmap", args: "pu", run: Run::Call(mem::munmap), support: Support::Full },
    Row { nr: 216, name: "mremap", args: "puuxp", run: Run::Call(mem::mremap), support: Support::Partial("MREMAP_FIXED over memory of the runtime fails with ENOMEM") },
    Row { nr: 222, name: "mmap", args: "puxxfx", run: Run::Call(mem::mmap), support: Support::Partial("PROT_MTE is not supported; MAP_FIXED over memory of the runtime fails with ENOMEM") },
    Row { nr: 226, name: "mprotect", args: "pux", run: Run::Call(mem::mprotect), support: Support::Partial("PROT_MTE is not supported; adding PROT_EXEC to a file mapping on a noexec file system is not refused") },
    Row { nr: 227, name: "msync", args: "pux", run: Run::Call(mem::msync), support: Support::Full },
    Row { nr: 228, name: "mlock", args: "pu", run: Run::Call(mem::mlock), support: Support::Full },
    Row { nr: 229, name: "munlock", args: "pu", run: Run::Call(mem::munlock), support: Support::Full },
    Row { nr: 230, name: "mlockall", args: "x", run: Run::Call(mem::mlockall), support: Support::Full },
    Row { nr: 231, name: "munlockall", args: "", run: Run::Call(mem::munlockall), support: Support::Full },
    Row { nr: 232, name: "mincore", args: "pup", run: Run::Call(mem::mincore), support: Support::Full },
    Row { nr: 233, name: "madvise", args: "pud", run: Run::Call(mem::madvise), support: Support::Full },
    Row { nr: 234, name: "remap_file_pages", args: "puxux", run: Run::Call(mem::remap_file_pages), support: Support::Full },
    Row { nr: 235, name: "mbind", args: "puxpux", run: Run::Pass(237), support: Support::Full },
    Row { nr: 236, name: "get_mempolicy", args: "ppupx", run: Run::Pass(239), support: Support::Full },
    Row { nr: 237, name: "set_mempolicy", args: "xpu", run: Run::Pass(238), support: Support::Full },
    Row { nr: 238, name: "migrate_pages", args: "dupp", run: Run::Pass(256), support: Support::Full },
    Row { nr: 239, name: "move_pages", args: "dupppx", run: Run::Pass(279), support: Support::Partial("tags in the array's addresses are not understood") },
    Row { nr: 270, name: "process_vm_readv", args: "dpupux", run: Run::Call(mem::process_vm_readv), support: Support::Partial("tags in the vector's addresses are understood up to 16 elements") },
    Row { nr: 271, name: "process_vm_writev", args: "dpupux", run: Run::Call(mem::process_vm_writev), support: Support::Partial("tags in the vector's addresses are understood up to 16 elements") },
    Row { nr: 283, name: "membarrier", args: "dxd", run: Run::Pass(324), support: Support::Full },
    Row { nr: 284, name: "mlock2", args: "pux", run: Run::Call(mem::mlock2), support: Support::Full },
    Row { nr: 288, name: "pkey_mprotect", args: "puxd", run: Run::Call(mem::pkey_mprotect), support: Support::Full },
    Row { nr: 289, name: "pkey_alloc", args: "xx", run: Run::Call(mem::pkey_alloc), support: Support::Refused("no protection keys, as on a CPU without them") },
    Row { nr: 290, name: "pkey_free", args: "d", run: Run::Fail(libc::EINVAL), support: Support::Full },
    Row { nr: 440, name: "process_madvise", args: "fpudx", run: Run::Pass(440), support: Support::Partial("tags in the vector's addresses are not understood") },
    Row { nr: 448, name: "process_mrelease", args: "fx", run: Run::Pass(448), support: Support::Full },
    Row { nr: 450, name: "set_mempolicy_home_node", args: "puux", run: Run::Pass(450), support: Support::Full },
    Row { nr: 453, name: "map_shadow_stack", args: "pux", run: Run::Fail(libc::ENOSYS), support: Support::Refused("no guarded control stacks") },
    Row { nr: 462, name: "mseal", args: "pux", run: Run::Call(mem::mseal), support: Support::Full },
];
