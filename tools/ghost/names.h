/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers of the image format and of x86-64, and what they are called */
#ifndef _GHOST_NAMES_H
#define _GHOST_NAMES_H

#include "out.h"

extern const struct name names_auxv[];
extern const struct name names_caps[];
extern const struct name names_clock[];
extern const struct name names_cred_flags[];
extern const struct name names_fd_flags[];
extern const struct name names_file_type[];
extern const struct name names_file_use[];
extern const struct name names_machine[];
extern const struct name names_mm_flags[];
extern const struct name names_open[];
extern const struct name names_personality[];
extern const struct name names_policy[];
extern const struct name names_process_flags[];
extern const struct name names_restart[];
extern const struct name names_restart_flags[];
extern const struct name names_rlimit[];
extern const struct name names_sa_flags[];
extern const struct name names_securebits[];
extern const struct name names_si_code[];
extern const struct name names_shm_flags[];
extern const struct name names_siginfo_flags[];
extern const struct name names_signal[];
extern const struct name names_ss_flags[];
extern const struct name names_thread_flags[];
extern const struct name names_vma[];
extern const struct name names_xfeatures[];

#endif /* _GHOST_NAMES_H */
