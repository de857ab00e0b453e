#ifndef MECA_SANDBOX_H
#define MECA_SANDBOX_H

/// Forbids this process, and all that it starts, to touch the memory of others, as a container
/// without SYS_PTRACE does: process_vm_readv, process_vm_writev and ptrace fail with EPERM.
///
/// Returns 0, or -1 with errno where the system has no seccomp filters.
int meca_forbid_foreign_memory(void);

#endif
