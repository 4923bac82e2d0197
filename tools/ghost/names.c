// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numbers of the image format and of x86-64, and what they are called
 *
 * They are written out where the headers of the machine that decodes an image
 * may have others than the machine that wrote it.
 */
#include <elf.h>
#include <linux/capability.h>
#include <linux/ghost_image.h>

#include "names.h"

#define END	{ 0, NULL }

const struct name names_machine[] = {
	{ EM_X86_64, "x86-64" }, { EM_386, "i386" }, { EM_AARCH64, "arm64" },
	{ EM_RISCV, "riscv" }, { EM_PPC64, "powerpc64" }, { EM_S390, "s390" },
	END
};

const struct name names_process_flags[] = {
	{ GHOST_PROCESS_STOPPED, "stopped" },
	{ GHOST_PROCESS_SUBREAPER, "subreaper" },
	{ GHOST_PROCESS_LEADER_DEAD, "leader-dead" },
	END
};

const struct name names_cred_flags[] = {
	{ GHOST_CRED_NO_NEW_PRIVS, "no-new-privs" },
	END
};

const struct name names_securebits[] = {
	{ 1 << 0, "noroot" }, { 1 << 1, "noroot-locked" },
	{ 1 << 2, "no-setuid-fixup" }, { 1 << 3, "no-setuid-fixup-locked" },
	{ 1 << 4, "keep-caps" }, { 1 << 5, "keep-caps-locked" },
	{ 1 << 6, "no-cap-ambient-raise" }, { 1 << 7, "no-cap-ambient-raise-locked" },
	END
};

#define CAP(name)	{ CAP_##name, #name }

const struct name names_caps[] = {
	CAP(CHOWN), CAP(DAC_OVERRIDE), CAP(DAC_READ_SEARCH), CAP(FOWNER), CAP(FSETID),
	CAP(KILL), CAP(SETGID), CAP(SETUID), CAP(SETPCAP), CAP(LINUX_IMMUTABLE),
	CAP(NET_BIND_SERVICE), CAP(NET_BROADCAST), CAP(NET_ADMIN), CAP(NET_RAW), CAP(IPC_LOCK),
	CAP(IPC_OWNER), CAP(SYS_MODULE), CAP(SYS_RAWIO), CAP(SYS_CHROOT), CAP(SYS_PTRACE),
	CAP(SYS_PACCT), CAP(SYS_ADMIN), CAP(SYS_BOOT), CAP(SYS_NICE), CAP(SYS_RESOURCE),
	CAP(SYS_TIME), CAP(SYS_TTY_CONFIG), CAP(MKNOD), CAP(LEASE), CAP(AUDIT_WRITE),
	CAP(AUDIT_CONTROL), CAP(SETFCAP), CAP(MAC_OVERRIDE), CAP(MAC_ADMIN), CAP(SYSLOG),
	CAP(WAKE_ALARM), CAP(BLOCK_SUSPEND), CAP(AUDIT_READ), CAP(PERFMON), CAP(BPF),
	CAP(CHECKPOINT_RESTORE),
	END
};

const struct name names_rlimit[] = {
	{ 0, "cpu" }, { 1, "fsize" }, { 2, "data" }, { 3, "stack" }, { 4, "core" },
	{ 5, "rss" }, { 6, "nproc" }, { 7, "nofile" }, { 8, "memlock" }, { 9, "as" },
	{ 10, "locks" }, { 11, "sigpending" }, { 12, "msgqueue" }, { 13, "nice" },
	{ 14, "rtprio" }, { 15, "rttime" },
	END
};

const struct name names_signal[] = {
	{ 1, "HUP" }, { 2, "INT" }, { 3, "QUIT" }, { 4, "ILL" }, { 5, "TRAP" }, { 6, "ABRT" },
	{ 7, "BUS" }, { 8, "FPE" }, { 9, "KILL" }, { 10, "USR1" }, { 11, "SEGV" },
	{ 12, "USR2" }, { 13, "PIPE" }, { 14, "ALRM" }, { 15, "TERM" }, { 16, "STKFLT" },
	{ 17, "CHLD" }, { 18, "CONT" }, { 19, "STOP" }, { 20, "TSTP" }, { 21, "TTIN" },
	{ 22, "TTOU" }, { 23, "URG" }, { 24, "XCPU" }, { 25, "XFSZ" }, { 26, "VTALRM" },
	{ 27, "PROF" }, { 28, "WINCH" }, { 29, "IO" }, { 30, "PWR" }, { 31, "SYS" },
	END
};

const struct name names_sa_flags[] = {
	{ 0x1, "nocldstop" }, { 0x2, "nocldwait" }, { 0x4, "siginfo" },
	{ 0x800, "expose-tagbits" }, { 0x04000000, "restorer" }, { 0x08000000, "onstack" },
	{ 0x10000000, "restart" }, { 0x40000000, "nodefer" }, { 0x80000000, "resethand" },
	END
};

const struct name names_siginfo_flags[] = {
	{ GHOST_SIGINFO_NONE, "no-siginfo" },
	END
};

/* si_code of signals that any process may send; all other codes depend on the signal */
const struct name names_si_code[] = {
	{ 0, "user" }, { 0x80, "kernel" }, { 0xffffffff, "queue" }, { 0xfffffffe, "timer" },
	{ 0xfffffffd, "mesgq" }, { 0xfffffffc, "asyncio" }, { 0xfffffffb, "sigio" },
	{ 0xfffffffa, "tkill" },
	END
};

const struct name names_file_type[] = {
	{ GHOST_FILE_OUTSIDE, "outside" },
	{ GHOST_FILE_REGULAR, "regular" },
	{ GHOST_FILE_DIRECTORY, "directory" },
	{ GHOST_FILE_CHARDEV, "chardev" },
	{ GHOST_FILE_EVENT, "event" },
	END
};

const struct name names_file_use[] = {
	{ GHOST_FILE_USE_FD, "fd" },
	{ GHOST_FILE_USE_MAP, "map" },
	{ GHOST_FILE_USE_EXE, "exe" },
	END
};

/* Bits that hold others come first. The access mode is no bit and not among them. */
const struct name names_open[] = {
	{ 020200000, "tmpfile" }, { 04010000, "sync" }, { 02000, "append" },
	{ 04000, "nonblock" }, { 010000, "dsync" }, { 020000, "async" }, { 040000, "direct" },
	{ 0100000, "largefile" }, { 0200000, "directory" }, { 0400000, "nofollow" },
	{ 01000000, "noatime" }, { 02000000, "cloexec" }, { 010000000, "path" },
	END
};

const struct name names_fd_flags[] = {
	{ GHOST_FD_CLOEXEC, "cloexec" },
	END
};

const struct name names_shm_flags[] = {
	{ GHOST_SHM_NORESERVE, "noreserve" },
	END
};

const struct name names_mm_flags[] = {
	{ GHOST_MM_HAS_MDWE, "mdwe" },
	{ GHOST_MM_HAS_MDWE_NO_INHERIT, "mdwe-no-inherit" },
	{ GHOST_MM_DISABLE_THP, "disable-thp" },
	{ GHOST_MM_LOCK_FUTURE, "lock-future" },
	{ GHOST_MM_LOCK_ONFAULT, "lock-onfault" },
	{ GHOST_MM_TOPDOWN, "topdown" },
	END
};

const struct name names_personality[] = {
	{ 0x0020000, "uname26" }, { 0x0040000, "addr-no-randomize" },
	{ 0x0080000, "fdpic-funcptrs" }, { 0x0100000, "mmap-page-zero" },
	{ 0x0200000, "addr-compat-layout" }, { 0x0400000, "read-implies-exec" },
	{ 0x0800000, "addr-limit-32bit" }, { 0x1000000, "short-inode" },
	{ 0x2000000, "whole-seconds" }, { 0x4000000, "sticky-timeouts" },
	{ 0x8000000, "addr-limit-3gb" },
	END
};

const struct name names_auxv[] = {
	{ 0, "null" }, { 1, "ignore" }, { 2, "execfd" }, { 3, "phdr" }, { 4, "phent" },
	{ 5, "phnum" }, { 6, "pagesz" }, { 7, "base" }, { 8, "flags" }, { 9, "entry" },
	{ 10, "notelf" }, { 11, "uid" }, { 12, "euid" }, { 13, "gid" }, { 14, "egid" },
	{ 15, "platform" }, { 16, "hwcap" }, { 17, "clktck" }, { 23, "secure" },
	{ 24, "base_platform" }, { 25, "random" }, { 26, "hwcap2" }, { 27, "rseq_feature_size" },
	{ 28, "rseq_align" }, { 31, "execfn" }, { 32, "sysinfo" }, { 33, "sysinfo_ehdr" },
	{ 51, "minsigstksz" },
	END
};

const struct name names_vma[] = {
	{ GHOST_VMA_READ, "read" }, { GHOST_VMA_WRITE, "write" }, { GHOST_VMA_EXEC, "exec" },
	{ GHOST_VMA_SHARED, "shared" }, { GHOST_VMA_GROWSDOWN, "growsdown" },
	{ GHOST_VMA_LOCKED, "locked" }, { GHOST_VMA_LOCKONFAULT, "lockonfault" },
	{ GHOST_VMA_SEQ_READ, "seq-read" }, { GHOST_VMA_RAND_READ, "rand-read" },
	{ GHOST_VMA_DONTCOPY, "dontcopy" }, { GHOST_VMA_WIPEONFORK, "wipeonfork" },
	{ GHOST_VMA_DONTDUMP, "dontdump" }, { GHOST_VMA_HUGEPAGE, "hugepage" },
	{ GHOST_VMA_NOHUGEPAGE, "nohugepage" }, { GHOST_VMA_MERGEABLE, "mergeable" },
	{ GHOST_VMA_NORESERVE, "noreserve" },
	{ GHOST_VMA_MAYREAD, "mayread" }, { GHOST_VMA_MAYWRITE, "maywrite" },
	{ GHOST_VMA_MAYEXEC, "mayexec" }, { GHOST_VMA_VDSO, "vdso" },
	{ GHOST_VMA_DROPPABLE, "droppable" }, { GHOST_VMA_ACCOUNT, "account" },
	END
};

const struct name names_thread_flags[] = {
	{ GHOST_THREAD_SAVED_MASK, "saved-mask" },
	{ GHOST_THREAD_LEADER, "leader" },
	END
};

const struct name names_ss_flags[] = {
	{ 1, "onstack" }, { 2, "disable" }, { 1U << 31, "autodisarm" },
	END
};

const struct name names_policy[] = {
	{ 0, "other" }, { 1, "fifo" }, { 2, "rr" }, { 3, "batch" }, { 5, "idle" },
	{ 6, "deadline" }, { 7, "ext" },
	END
};

const struct name names_restart[] = {
	{ GHOST_RESTART_NONE, "none" }, { GHOST_RESTART_NANOSLEEP, "nanosleep" },
	{ GHOST_RESTART_FUTEX, "futex" }, { GHOST_RESTART_POLL, "poll" },
	{ GHOST_RESTART_CALL, "call" },
	END
};

const struct name names_restart_flags[] = {
	{ GHOST_RESTART_TIMED, "timed" }, { GHOST_RESTART_JIFFIES, "jiffies" },
	{ GHOST_RESTART_RMTP, "rmtp" }, { GHOST_RESTART_SHARED, "shared" },
	{ GHOST_RESTART_REALTIME, "realtime" },
	END
};

const struct name names_clock[] = {
	{ 0, "realtime" }, { 1, "monotonic" }, { 2, "process-cputime" }, { 3, "thread-cputime" },
	{ 4, "monotonic-raw" }, { 5, "realtime-coarse" }, { 6, "monotonic-coarse" },
	{ 7, "boottime" }, { 8, "realtime-alarm" }, { 9, "boottime-alarm" }, { 11, "tai" },
	END
};

const struct name names_xfeatures[] = {
	{ 1ULL << 0, "x87" }, { 1ULL << 1, "sse" }, { 1ULL << 2, "avx" },
	{ 1ULL << 3, "bndregs" }, { 1ULL << 4, "bndcsr" }, { 1ULL << 5, "avx512-opmask" },
	{ 1ULL << 6, "avx512-hi256" }, { 1ULL << 7, "avx512-zmm" }, { 1ULL << 8, "pt" },
	{ 1ULL << 9, "pkru" }, { 1ULL << 10, "pasid" }, { 1ULL << 11, "cet-user" },
	{ 1ULL << 12, "cet-kernel" }, { 1ULL << 17, "amx-tile" }, { 1ULL << 18, "amx-data" },
	{ 1ULL << 19, "apx" },
	END
};
