//! Calls: mem.

use crate::host::nr;
use crate::table::calls;
use crate::topics::mem;

#[rustfmt::skip]
calls! {
    brk "x" Call(mem::brk), Partial("RLIMIT_DATA is not applied");
    munmap "pu" Call(mem::munmap), Full;
    mremap "puuxp" Call(mem::mremap), Partial("MREMAP_FIXED over memory of the runtime fails with ENOMEM");
    mmap "puxxfx" Call(mem::mmap), Partial("PROT_MTE is not supported; MAP_FIXED over memory of the runtime fails with ENOMEM");
    mprotect "pux" Call(mem::mprotect), Partial("PROT_MTE is not supported; adding PROT_EXEC to a file mapping on a noexec file system is not refused");
    msync "pux" Call(mem::msync), Full;
    mlock "pu" Call(mem::mlock), Full;
    munlock "pu" Call(mem::munlock), Full;
    mlockall "x" Call(mem::mlockall), Full;
    munlockall "" Call(mem::munlockall), Full;
    mincore "pup" Call(mem::mincore), Full;
    madvise "pud" Call(mem::madvise), Full;
    remap_file_pages "puxux" Call(mem::remap_file_pages), Full;
    mbind "puxpux" Pass(nr::mbind), Full;
    get_mempolicy "ppupx" Pass(nr::get_mempolicy), Full;
    set_mempolicy "xpu" Pass(nr::set_mempolicy), Full;
    migrate_pages "dupp" Pass(nr::migrate_pages), Full;
    move_pages "dupppx" Pass(nr::move_pages), Partial("tags in the array's addresses are not understood");
    process_vm_readv "dpupux" Call(mem::process_vm_readv), Partial("tags in the vector's addresses are understood up to 16 elements");
    process_vm_writev "dpupux" Call(mem::process_vm_writev), Partial("tags in the vector's addresses are understood up to 16 elements");
    membarrier "dxd" Pass(nr::membarrier), Full;
    mlock2 "pux" Call(mem::mlock2), Full;
    pkey_mprotect "puxd" Call(mem::pkey_mprotect), Full;
    pkey_alloc "xx" Call(mem::pkey_alloc), Refused("no protection keys, as on a CPU without them");
    pkey_free "d" Fail(libc::EINVAL), Full;
    process_madvise "fpudx" Pass(nr::process_madvise), Partial("tags in the vector's addresses are not understood");
    process_mrelease "fx" Pass(nr::process_mrelease), Full;
    set_mempolicy_home_node "puux" Pass(nr::set_mempolicy_home_node), Full;
    map_shadow_stack "pux" Fail(libc::ENOSYS), Refused("no guarded control stacks");
    mseal "pux" Call(mem::mseal), Full;
}
