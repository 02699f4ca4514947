// Calls that the C library's headers may not know yet. From 424 on, every architecture has the same numbers.
#ifndef NUMBERS_H
#define NUMBERS_H
enum {
  NR_pidfd_send_signal = 424, NR_open_tree = 428, NR_move_mount, NR_fsopen, NR_fsconfig, NR_fsmount, NR_fspick, NR_pidfd_open,
  NR_pidfd_getfd = 438, NR_process_madvise = 440, NR_quotactl_fd = 443, NR_landlock_create_ruleset, NR_landlock_add_rule,
  NR_landlock_restrict_self, NR_memfd_secret, NR_process_mrelease, NR_futex_waitv, NR_set_mempolicy_home_node, NR_cachestat,
  NR_fchmodat2, NR_map_shadow_stack, NR_futex_wake, NR_futex_wait, NR_futex_requeue, NR_statmount, NR_listmount,
  NR_lsm_get_self_attr, NR_lsm_set_self_attr, NR_lsm_list_modules, NR_mseal, NR_setxattrat, NR_getxattrat, NR_listxattrat,
  NR_removexattrat, NR_open_tree_attr, NR_file_getattr, NR_file_setattr,
};
#endif
