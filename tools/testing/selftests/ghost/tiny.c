// SPDX-License-Identifier: GPL-2.0
/*
 * A process as small as can be, with a little of everything that an image can hold:
 * two threads, one of them in a sleep with a timeout, files, a handler, pending signals,
 * private and shared memory. It needs no C library.
 *
 * It says "ready" on descriptor 1, closes 0 to 2 and sleeps.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

static long call(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long ret;

	asm volatile("syscall"
		     : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "memory");
	return ret;
}

struct kernel_sigaction {
	void (*handler)(int sig);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

#ifndef SA_RESTORER
#define SA_RESTORER	0x04000000
#endif

void restorer(void);
void thread(void);

#define ASSEMBLY						\
	"	.text\n"					\
	"restorer:\n"						\
	"	mov $15, %eax\n"	/* rt_sigreturn */	\
	"	syscall\n"					\
	"thread:\n"						\
	"	mov $34, %eax\n"	/* pause */		\
	"	syscall\n"					\
	"	jmp thread\n"					\
	"	.globl _start\n"				\
	"_start:\n"						\
	"	and $-16, %rsp\n"				\
	"	call begin\n"					\
	"	hlt\n"

asm(ASSEMBLY);

static void handler(int sig)
{
}

static long data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

/* Never returns; -1 if it cannot be what it is to be */
void __attribute__((used)) begin(void)
{
	struct kernel_sigaction sa = { handler, SA_RESTORER, restorer, 0 };
	struct timespec long_time = { 1000000, 0 };
	unsigned long mask = 1UL << (SIGUSR1 - 1) | 1UL << (SIGUSR2 - 1);
	volatile char *shared;
	long pid, tid, i;

	data[0]++;
	call(SYS_rt_sigaction, SIGUSR1, (long)&sa, 0, 8, 0, 0);
	call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, 8, 0, 0);
	pid = call(SYS_getpid, 0, 0, 0, 0, 0, 0);
	call(SYS_kill, pid, SIGUSR1, 0, 0, 0, 0);
	call(SYS_tgkill, pid, pid, SIGUSR2, 0, 0, 0);
	shared = (char *)call(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared[5] = 5;
	call(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC, 0, 0, 0);
	call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_RDONLY, 0, 0, 0);
	tid = call(SYS_clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		   CLONE_SYSVSEM, 0, 0, 0, 0, 0);
	if (!tid)
		thread();
	if (tid < 0)
		call(SYS_exit_group, 1, 0, 0, 0, 0, 0);
	call(SYS_write, 1, (long)"ready\n", 6, 0, 0, 0);
	for (i = 0; i < 3; i++)
		call(SYS_close, i, 0, 0, 0, 0, 0);
	for (;;)
		call(SYS_nanosleep, (long)&long_time, 0, 0, 0, 0, 0);
}
