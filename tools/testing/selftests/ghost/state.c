// SPDX-License-Identifier: GPL-2.0
/*
 * What a process holds is the same in the copy, and still the same in the original
 *
 * Each target sets something up, says "ready", sleeps, and looks at it again. It
 * does not know whether it is the original or the copy.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <linux/securebits.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA		0x53564d41
#define PR_SET_VMA_ANON_NAME	0
#endif
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE		0x08
#endif
#ifndef SA_RESTORER
#define SA_RESTORER		0x04000000
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE		65
#define PR_GET_MDWE		66
#endif

#define PAGE		4096UL
#define MB		(1UL << 20)

static unsigned char pattern(unsigned long i)
{
	i *= 0x9e3779b97f4a7c15UL;
	return i >> 56;
}

static void fill(void *where, size_t len, unsigned long seed)
{
	unsigned char *p = where;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern(seed + i);
}

static bool is_filled(const void *where, size_t len, unsigned long seed)
{
	const unsigned char *p = where;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern(seed + i))
			return false;
	return true;
}

static bool is_zero(const void *where, size_t len)
{
	const unsigned char *p = where;

	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

static void *map_anon(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);

	check_errno(p != MAP_FAILED);
	return p;
}

/* A text that can be read before and after, and must be the same */
struct text {
	char before[32768];
	char after[32768];
};

static void text_before(struct text *t, const char *path)
{
	check_errno(read_text(path, t->before, sizeof(t->before)) >= 0);
}

static void text_same(struct text *t, const char *path)
{
	check_errno(read_text(path, t->after, sizeof(t->after)) >= 0);
	if (strcmp(t->before, t->after))
		wrong("%s: before: %s after: %s", path, t->before, t->after);
}

/*
 * The processor
 */

static int go __attribute__((used));

static void set_go(int sig)
{
	go = 1;
}

/*
 * spin_registers(in, out): load 15 registers, loop in user mode until go is set, store them.
 * call_registers(in, out): the same with a read() from descriptor 0 instead of the loop.
 */
void spin_registers(const unsigned long in[15], unsigned long out[15]);
void call_registers(const unsigned long in[15], unsigned long out[15]);

#define SAVE_AND_LOAD					\
	"	push %rbx\n"				\
	"	push %rbp\n"				\
	"	push %r12\n"				\
	"	push %r13\n"				\
	"	push %r14\n"				\
	"	push %r15\n"				\
	"	push %rsi\n"				\
	"	mov 0(%rdi), %rax\n"			\
	"	mov 8(%rdi), %rbx\n"			\
	"	mov 16(%rdi), %rcx\n"			\
	"	mov 24(%rdi), %rdx\n"			\
	"	mov 32(%rdi), %rsi\n"			\
	"	mov 48(%rdi), %rbp\n"			\
	"	mov 56(%rdi), %r8\n"			\
	"	mov 64(%rdi), %r9\n"			\
	"	mov 72(%rdi), %r10\n"			\
	"	mov 80(%rdi), %r11\n"			\
	"	mov 88(%rdi), %r12\n"			\
	"	mov 96(%rdi), %r13\n"			\
	"	mov 104(%rdi), %r14\n"			\
	"	mov 112(%rdi), %r15\n"			\
	"	mov 40(%rdi), %rdi\n"

#define STORE_AND_RESTORE				\
	"	xchg %rax, (%rsp)\n"			\
	"	mov %rbx, 8(%rax)\n"			\
	"	mov %rcx, 16(%rax)\n"			\
	"	mov %rdx, 24(%rax)\n"			\
	"	mov %rsi, 32(%rax)\n"			\
	"	mov %rdi, 40(%rax)\n"			\
	"	mov %rbp, 48(%rax)\n"			\
	"	mov %r8, 56(%rax)\n"			\
	"	mov %r9, 64(%rax)\n"			\
	"	mov %r10, 72(%rax)\n"			\
	"	mov %r11, 80(%rax)\n"			\
	"	mov %r12, 88(%rax)\n"			\
	"	mov %r13, 96(%rax)\n"			\
	"	mov %r14, 104(%rax)\n"			\
	"	mov %r15, 112(%rax)\n"			\
	"	pop %rbx\n"				\
	"	mov %rbx, 0(%rax)\n"			\
	"	pop %r15\n"				\
	"	pop %r14\n"				\
	"	pop %r13\n"				\
	"	pop %r12\n"				\
	"	pop %rbp\n"				\
	"	pop %rbx\n"				\
	"	ret\n"

#define BOTH_FUNCTIONS					\
	"	.text\n"				\
	"spin_registers:\n"				\
	SAVE_AND_LOAD					\
	"1:	cmpl $0, go(%rip)\n"			\
	"	je 1b\n"				\
	STORE_AND_RESTORE				\
	"call_registers:\n"				\
	SAVE_AND_LOAD					\
	"	syscall\n"				\
	STORE_AND_RESTORE

asm(BOTH_FUNCTIONS);

TARGET(registers_in_a_loop)
{
	unsigned long in[15], out[15];
	int i;

	signal(SIGUSR1, set_go);
	for (i = 0; i < 15; i++)
		in[i] = 0x1111111111111111UL * (i + 1) ^ 0x8000000000000000UL;
	say("ready");
	spin_registers(in, out);
	for (i = 0; i < 15; i++)
		if (in[i] != out[i])
			wrong("register %d: %lx -> %lx", i, in[i], out[i]);
	return verdict();
}

TARGET(registers_in_a_call)
{
	enum { RAX, RBX, RCX, RDX, RSI, RDI, R11 = 10 };
	unsigned long in[15], out[15];
	char c = 0;
	int i;

	for (i = 0; i < 15; i++)
		in[i] = 0x0101010101010101UL * (i + 0x80);
	in[RAX] = SYS_read;
	in[RDI] = 0;
	in[RSI] = (uintptr_t)&c;
	in[RDX] = 1;
	say("ready");
	call_registers(in, out);
	check(out[RAX] == 1);
	check(c == '\n');
	for (i = 0; i < 15; i++)
		if (i != RAX && i != RCX && i != R11 && in[i] != out[i])
			wrong("register %d: %lx -> %lx", i, in[i], out[i]);
	return verdict();
}

#define FLAG_DF		0x400UL
#define FLAG_ID		0x200000UL

TARGET(flags)
{
	unsigned long flags;

	signal(SIGUSR1, set_go);
	say("ready");
	asm volatile("	pushfq\n"
		     "	orq %[bits], (%%rsp)\n"
		     "	popfq\n"
		     "1:	cmpl $0, go(%%rip)\n"
		     "	je 1b\n"
		     "	pushfq\n"
		     "	pop %[flags]\n"
		     "	cld\n"
		     : [flags] "=r" (flags) : [bits] "i" (FLAG_DF | FLAG_ID) : "cc", "memory");
	check(flags & FLAG_DF);
	check(flags & FLAG_ID);
	return verdict();
}

#define LOAD_V(i)	"	vmovdqu " #i "*32(%[in]), %%ymm" #i "\n"
#define STORE_V(i)	"	vmovdqu %%ymm" #i ", " #i "*32(%[out])\n"
#define LOAD_X(i)	"	movdqu " #i "*32(%[in]), %%xmm" #i "\n"
#define STORE_X(i)	"	movdqu %%xmm" #i ", " #i "*32(%[out])\n"
#define LOAD_Z(i)	"	vmovdqu64 " #i "*64(%[in]), %%zmm" #i "\n"
#define STORE_Z(i)	"	vmovdqu64 %%zmm" #i ", " #i "*64(%[out])\n"
#define ALL16(x)	x(0) x(1) x(2) x(3) x(4) x(5) x(6) x(7) \
			x(8) x(9) x(10) x(11) x(12) x(13) x(14) x(15)
#define HIGH16(x)	x(16) x(17) x(18) x(19) x(20) x(21) x(22) x(23) \
			x(24) x(25) x(26) x(27) x(28) x(29) x(30) x(31)
#define CLOBBER16	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
			"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define SPIN		"1:	cmpl $0, go(%%rip)\n"	\
			"	je 1b\n"

TARGET(sse)
{
	static unsigned char in[16 * 32], out[16 * 32];
	int i;

	signal(SIGUSR1, set_go);
	fill(in, sizeof(in), 1);
	say("ready");
	asm volatile(ALL16(LOAD_X) SPIN ALL16(STORE_X)
		     : : [in] "r" (in), [out] "r" (out) : "memory", "cc", CLOBBER16);
	for (i = 0; i < 16; i++)
		check(!memcmp(in + i * 32, out + i * 32, 16));
	return verdict();
}

TARGET(avx)
{
	static unsigned char in[16 * 32], out[16 * 32];

	if (!__builtin_cpu_supports("avx")) {
		say("skip: the processor has no AVX");
		return 0;
	}
	signal(SIGUSR1, set_go);
	fill(in, sizeof(in), 2);
	say("ready");
	asm volatile(ALL16(LOAD_V) SPIN ALL16(STORE_V) "	vzeroupper\n"
		     : : [in] "r" (in), [out] "r" (out) : "memory", "cc", CLOBBER16);
	check(!memcmp(in, out, sizeof(in)));
	return verdict();
}

TARGET(avx512)
{
	static unsigned char in[32 * 64], out[32 * 64];
	unsigned long mask = 0xa5c3, mask_out = 0;

	if (!__builtin_cpu_supports("avx512f")) {
		say("skip: the processor has no AVX-512");
		return 0;
	}
	signal(SIGUSR1, set_go);
	fill(in, sizeof(in), 3);
	say("ready");
	asm volatile(ALL16(LOAD_Z) HIGH16(LOAD_Z) "	kmovw %k[mask], %%k5\n"
		     SPIN
		     ALL16(STORE_Z) HIGH16(STORE_Z) "	kmovw %%k5, %k[mask_out]\n"
		     "	vzeroupper\n"
		     : [mask_out] "=&r" (mask_out)
		     : [in] "r" (in), [out] "r" (out), [mask] "r" (mask)
		     : "memory", "cc", CLOBBER16);
	check(!memcmp(in, out, sizeof(in)));
	check(mask == mask_out);
	return verdict();
}

TARGET(fpu_control)
{
	unsigned int mxcsr = 0x1f80 | 3 << 13 | 1 << 15, mxcsr_out;
	unsigned short cw = 0x37f | 2 << 10, cw_out;
	struct { long double pi, one; } x87 = { 0, 0 };

	signal(SIGUSR1, set_go);
	say("ready");
	asm volatile("	fldcw %[cw]\n"
		     "	ldmxcsr %[mxcsr]\n"
		     "	fld1\n"
		     "	fldpi\n"
		     SPIN
		     "	fstpt %[pi]\n"
		     "	fstpt %[one]\n"
		     "	fstcw %[cw_out]\n"
		     "	stmxcsr %[mxcsr_out]\n"
		     : [pi] "=m" (x87.pi), [one] "=m" (x87.one), [cw_out] "=m" (cw_out),
		       [mxcsr_out] "=m" (mxcsr_out)
		     : [cw] "m" (cw), [mxcsr] "m" (mxcsr) : "cc", "memory");
	check(x87.one == 1.0L);
	check(x87.pi > 3.14159265358979L && x87.pi < 3.14159265358980L);
	check(cw == cw_out);
	check((mxcsr & ~0x3f) == (mxcsr_out & ~0x3f));
	return verdict();
}

static unsigned int rdpkru(void)
{
	unsigned int eax, edx;

	asm volatile(".byte 0x0f, 0x01, 0xee" : "=a" (eax), "=d" (edx) : "c" (0));
	return eax;
}

TARGET(pkru)
{
	unsigned int ecx, ebx, edx, eax = 7, pkru;

	asm volatile("cpuid" : "+a" (eax), "=b" (ebx), "=c" (ecx), "=d" (edx) : "c" (0));
	if (!(ecx & 1 << 4)) {
		say("skip: no protection keys");
		return 0;
	}
	pkru = rdpkru() ^ 0x30000000;
	asm volatile(".byte 0x0f, 0x01, 0xef" : : "a" (pkru), "c" (0), "d" (0));
	ready();
	if (rdpkru() != pkru)
		wrong("pkru %x -> %x", pkru, rdpkru());
	return verdict();
}

#define ARCH_SET_GS	0x1001
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004

static __thread int tls_value = 4711;

TARGET(segment_bases)
{
	static unsigned long area[4] = { 0x1234567812345678 };
	unsigned long fs, fs_after, gs, value;

	tls_value++;
	check_errno(!syscall(SYS_arch_prctl, ARCH_SET_GS, area));
	check_errno(!syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	ready();
	check_errno(!syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_after));
	check_errno(!syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	check(fs == fs_after);
	check(gs == (uintptr_t)area);
	asm volatile("mov %%gs:0, %0" : "=r" (value));
	check(value == area[0]);
	check(tls_value == 4712);
	return verdict();
}

/*
 * Threads
 */

TARGET(rseq)
{
	struct rseq *rseq = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);
	unsigned int cpu;
	int tries = 100;

	if (!__rseq_size) {
		say("skip: the C library has not registered rseq");
		return 0;
	}
	/* The kernel writes it anew when the thread has slept, if it knows of it */
	*(volatile __u32 *)&rseq->cpu_id = 0x7fffff00;
	*(volatile __u32 *)&rseq->cpu_id_start = 0x7fffff00;
	ready();
	do {
		syscall(SYS_getcpu, &cpu, NULL, NULL);
	} while (cpu != *(volatile __u32 *)&rseq->cpu_id && --tries);
	if (!tries)
		wrong("cpu_id is %x on cpu %u", rseq->cpu_id, cpu);
	check(syscall(SYS_rseq, rseq, sizeof(*rseq), 0, RSEQ_SIG) == -1 && errno == EBUSY);
	return verdict();
}

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS	40
#endif

TARGET(robust_list_and_tid_address)
{
	void *head, *head_after, *tid = NULL, *tid_after = NULL;
	size_t len, len_after;

	check_errno(!syscall(SYS_get_robust_list, 0, &head, &len));
	check(head);
	prctl(PR_GET_TID_ADDRESS, &tid);
	ready();
	check_errno(!syscall(SYS_get_robust_list, 0, &head_after, &len_after));
	check(head == head_after);
	check(len == len_after);
	prctl(PR_GET_TID_ADDRESS, &tid_after);
	check(tid == tid_after);
	return verdict();
}

#define THREADS		6

static struct worker {
	pthread_t thread;
	pid_t tid;
	uint64_t result;
	char stack[16384];
} workers[THREADS];

static pthread_barrier_t all_set;
static __thread uint64_t tls_state;
static int keep_tids;
static volatile bool stop_working;

static uint64_t lcg(uint64_t x)
{
	return x * 6364136223846793005ULL + 1442695040888963407ULL;
}

#define ROUNDS		2000000

static void *worker(void *arg)
{
	struct worker *w = arg;
	int i, n = w - workers;
	char name[16], now[16];
	sigset_t set, set_now;
	stack_t ss = { .ss_sp = w->stack, .ss_size = sizeof(w->stack) }, ss_now;
	double sum = 0;

	w->tid = gettid();
	snprintf(name, sizeof(name), "worker-%d", n);
	check_errno(!prctl(PR_SET_NAME, name));
	check_errno(!sigaltstack(&ss, NULL));
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + n);
	check_errno(!pthread_sigmask(SIG_SETMASK, &set, NULL));
	tls_state = n;
	pthread_barrier_wait(&all_set);
	for (i = 0; i < ROUNDS; i++) {
		tls_state = lcg(tls_state);
		sum += 1.0 / (i + 1 + n);
	}
	w->result = tls_state ^ (uint64_t)(sum * 1e9);
	check_errno(!prctl(PR_GET_NAME, now));
	check(!strcmp(name, now));
	check_errno(!pthread_sigmask(SIG_SETMASK, NULL, &set_now));
	for (i = 1; i < 64; i++)
		check(sigismember(&set, i) == sigismember(&set_now, i));
	check_errno(!sigaltstack(NULL, &ss_now));
	check(ss_now.ss_sp == ss.ss_sp && ss_now.ss_size == ss.ss_size);
	if (keep_tids)
		check(gettid() == w->tid);
	return w;
}

static uint64_t expected(int n)
{
	uint64_t state = n;
	double sum = 0;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		state = lcg(state);
		sum += 1.0 / (i + 1 + n);
	}
	return state ^ (uint64_t)(sum * 1e9);
}

/* They compute while they are exported */
TARGET(threads)
{
	void *ret;
	int i;

	keep_tids = arg && !strcmp(arg, "keep");
	pthread_barrier_init(&all_set, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		check(!pthread_create(&workers[i].thread, NULL, worker, &workers[i]));
	pthread_barrier_wait(&all_set);
	ready();
	for (i = 0; i < THREADS; i++) {
		check(!pthread_join(workers[i].thread, &ret));
		check(ret == &workers[i]);
		check(workers[i].result == expected(i));
	}
	return verdict();
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int waiting, released;

static void *waiter(void *arg)
{
	pthread_mutex_lock(&mutex);
	waiting++;
	while (!released)
		pthread_cond_wait(&cond, &mutex);
	waiting--;
	pthread_mutex_unlock(&mutex);
	return arg;
}

/* New threads, mutexes and conditions work on */
TARGET(threads_that_wait)
{
	pthread_t thread[4], more;
	void *ret;
	long i;

	for (i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, waiter, (void *)i);
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) < 4)
		sched_yield();
	ready();
	check(!pthread_create(&more, NULL, waiter, NULL));
	pthread_mutex_lock(&mutex);
	released = 1;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
	for (i = 0; i < 4; i++) {
		check(!pthread_join(thread[i], &ret));
		check(ret == (void *)i);
	}
	check(!pthread_join(more, NULL));
	check(!waiting);
	return verdict();
}

static void *last_thread(void *leader)
{
	check(!pthread_join(*(pthread_t *)leader, NULL));
	ready();
	exit(verdict());
}

TARGET(leader_that_has_ended)
{
	static pthread_t self, thread;

	self = pthread_self();
	pthread_create(&thread, NULL, last_thread, &self);
	/* pthread_exit() wants to go back to where main() was called */
	syscall(SYS_exit, 0);
	return 1;
}

/*
 * Signals
 */

static void handler(int sig, siginfo_t *info, void *context)
{
	say("WRONG signal %d", sig);
}

TARGET(signal_actions)
{
	struct sigaction sa[65], now;
	int sig, s;

	for (sig = 1; sig <= 64; sig++) {
		memset(&sa[sig], 0, sizeof(sa[sig]));
		if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33)
			continue;
		if (sig % 5 == 0) {
			sa[sig].sa_handler = SIG_IGN;
		} else if (sig % 5 > 1) {
			sa[sig].sa_sigaction = handler;
			sa[sig].sa_flags = SA_SIGINFO | (sig & 1 ? SA_RESTART : 0) |
					   (sig & 2 ? SA_ONSTACK : 0) | (sig & 4 ? SA_NODEFER : 0) |
					   (sig & 8 ? SA_RESETHAND : 0) |
					   (sig & 16 ? SA_NOCLDWAIT : 0);
			sigaddset(&sa[sig].sa_mask, sig % 30 + 1);
		}
		check_errno(!sigaction(sig, &sa[sig], NULL));
	}
	ready();
	for (sig = 1; sig <= 64; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33)
			continue;
		check_errno(!sigaction(sig, NULL, &now));
		now.sa_flags &= ~SA_RESTORER;
		if (now.sa_handler != sa[sig].sa_handler || now.sa_flags != sa[sig].sa_flags)
			wrong("signal %d: handler or flags %x", sig, now.sa_flags);
		for (s = 1; s <= 64; s++)
			if (s != SIGKILL && s != SIGSTOP && s != 32 && s != 33 &&
			    sigismember(&now.sa_mask, s) != sigismember(&sa[sig].sa_mask, s))
				wrong("signal %d: mask of %d", sig, s);
	}
	return verdict();
}

static char *on_stack;

static void stack_handler(int sig)
{
	on_stack = __builtin_frame_address(0);
}

TARGET(alternate_stack)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, now;
	struct sigaction sa = { .sa_handler = stack_handler, .sa_flags = SA_ONSTACK };

	check_errno(!sigaltstack(&ss, NULL));
	check_errno(!sigaction(SIGUSR2, &sa, NULL));
	ready();
	check_errno(!sigaltstack(NULL, &now));
	check(now.ss_sp == stack && now.ss_size == sizeof(stack) && !now.ss_flags);
	raise(SIGUSR2);
	check(on_stack >= stack && on_stack < stack + sizeof(stack));
	return verdict();
}

static void slow_handler(int sig)
{
	ready();
}

/* Exported while a handler runs on the alternate stack */
TARGET(handler_that_runs)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_handler = slow_handler, .sa_flags = SA_ONSTACK };
	sigset_t set;

	check_errno(!sigaltstack(&ss, NULL));
	check_errno(!sigaction(SIGUSR2, &sa, NULL));
	raise(SIGUSR2);
	sigprocmask(SIG_BLOCK, NULL, &set);
	check(!sigismember(&set, SIGUSR2));
	return verdict();
}

static void expect_signal(int sig, int code, int value, pid_t from)
{
	struct timespec zero = { 0, 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	memset(&info, 0, sizeof(info));
	/* The C library makes SI_USER of SI_TKILL */
	if (syscall(SYS_rt_sigtimedwait, &set, &info, &zero, 8) != sig) {
		wrong("signal %d is not pending", sig);
		return;
	}
	if (info.si_code != code || info.si_pid != from ||
	    (code == SI_QUEUE && info.si_value.sival_int != value))
		wrong("signal %d: code %d pid %d value %d", sig, info.si_code, info.si_pid,
		      info.si_value.sival_int);
}

TARGET(pending_signals)
{
	struct timespec zero = { 0, 0 };
	pid_t pid = getpid();
	union sigval value;
	sigset_t set;
	int i;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	check_errno(!kill(pid, SIGUSR1));
	check_errno(!kill(pid, SIGTERM));
	check_errno(!syscall(SYS_tgkill, pid, gettid(), SIGUSR2));
	for (i = 0; i < 5; i++) {
		value.sival_int = 100 + i;
		check_errno(!sigqueue(pid, SIGRTMIN + 1, value));
	}
	ready();
	expect_signal(SIGUSR1, SI_USER, 0, pid);
	expect_signal(SIGTERM, SI_USER, 0, pid);
	expect_signal(SIGUSR2, SI_TKILL, 0, pid);
	for (i = 0; i < 5; i++)
		expect_signal(SIGRTMIN + 1, SI_QUEUE, 100 + i, pid);
	check(sigtimedwait(&set, NULL, &zero) == -1 && errno == EAGAIN);
	return verdict();
}

/*
 * Memory
 */

TARGET(anonymous_memory)
{
	char *p = map_anon(8 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *readonly = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *none = map_anon(3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	size_t i;

	/* With holes of different sizes */
	for (i = 0; i < 8 * MB; i += 7 * PAGE)
		fill(p + i, PAGE + 1, i);
	fill(readonly, PAGE, 42);
	check_errno(!mprotect(readonly, PAGE, PROT_READ));
	fill(none, 3 * PAGE, 43);
	check_errno(!mprotect(none, 3 * PAGE, PROT_NONE));
	ready();
	for (i = 0; i + 7 * PAGE < 8 * MB; i += 7 * PAGE) {
		check(is_filled(p + i, PAGE + 1, i));
		check(is_zero(p + i + PAGE + 1, 6 * PAGE - 1));
	}
	check(is_filled(readonly, PAGE, 42));
	check_errno(!mprotect(none, 3 * PAGE, PROT_READ | PROT_WRITE));
	check(is_filled(none, 3 * PAGE, 43));
	memset(p, 1, 8 * MB);
	memset(none, 1, 3 * PAGE);
	check_errno(!munmap(p, 8 * MB));
	return verdict();
}

TARGET(code_in_anonymous_memory)
{
	static const unsigned char code[] = { 0x8d, 0x47, 0x05, 0xc3 }; /* lea 5(%rdi), %eax; ret */
	void *p = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int (*add)(int) = p;

	memcpy(p, code, sizeof(code));
	check_errno(!mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	check(add(37) == 42);
	ready();
	check(add(37) == 42);
	return verdict();
}

static int make_file(const char *dir, const char *name, size_t size, int flags)
{
	static char block[PAGE];
	char path[PATH_MAX];
	size_t i;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	check_errno(fd >= 0);
	for (i = 0; i < size; i += sizeof(block)) {
		fill(block, sizeof(block), i);
		check_errno(write(fd, block, size - i < PAGE ? size - i : PAGE) > 0);
	}
	close(fd);
	fd = open(path, flags);
	check_errno(fd >= 0);
	return fd;
}

TARGET(private_file_mapping)
{
	int fd = make_file(arg, "mapped", 16 * PAGE - 100, O_RDWR);
	char *p, *again;
	size_t i;

	p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	check_errno(p != MAP_FAILED);
	again = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, fd, 2 * PAGE);
	check_errno(again != MAP_FAILED);
	close(fd);
	fill(p + 3 * PAGE, PAGE, 12345);
	fill(p + 7 * PAGE + 10, 5, 54321);
	ready();
	for (i = 0; i < 16; i++) {
		if (i == 3)
			check(is_filled(p + i * PAGE, PAGE, 12345));
		else if (i == 7)
			check(is_filled(p + i * PAGE + 10, 5, 54321) &&
			      is_filled(p + i * PAGE, 10, i * PAGE) &&
			      is_filled(p + i * PAGE + 15, PAGE - 15, i * PAGE + 15));
		else
			check(is_filled(p + i * PAGE, i == 15 ? PAGE - 100 : PAGE, i * PAGE));
	}
	check(is_zero(p + 16 * PAGE - 100, 100));
	check(is_filled(again, 4 * PAGE, 2 * PAGE));
	return verdict();
}

/* A page of zeros over one of the file, by means that put no page of their own there */
TARGET(zero_page_over_a_file)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_zeropage zero = { 0 };
	char dir[] = "/dev/shm/ghost-zero-XXXXXX", path[64];
	struct statfs fs;
	int fd, uffd;
	char *p;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) || statfs("/dev/shm", &fs) ||
	    fs.f_type != TMPFS_MAGIC) {
		say("skip: no userfaultfd, or no tmpfs: %m");
		return 0;
	}
	check_errno(mkdtemp(dir));
	fd = make_file(dir, "file", 4 * PAGE, O_RDWR);
	snprintf(path, sizeof(path), "%s/file", dir);
	p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	check_errno(p != MAP_FAILED);
	close(fd);
	reg.range.start = (uintptr_t)p;
	reg.range.len = 4 * PAGE;
	zero.range.start = (uintptr_t)p + PAGE;
	zero.range.len = 2 * PAGE;
	check_errno(!ioctl(uffd, UFFDIO_REGISTER, &reg));
	check_errno(!ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	close(uffd);
	check(is_zero(p + PAGE, 2 * PAGE));
	ready();
	check(is_filled(p, PAGE, 0));
	check(is_zero(p + PAGE, 2 * PAGE));
	check(is_filled(p + 3 * PAGE, PAGE, 3 * PAGE));
	unlink(path);
	rmdir(dir);
	return verdict();
}

TARGET(readonly_shared_file_mapping)
{
	int fd = make_file(arg, "shared", 4 * PAGE, O_RDONLY);
	char *p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	check_errno(p != MAP_FAILED);
	ready();
	check(is_filled(p, 4 * PAGE, 0));
	check(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == -1 && errno == EACCES);
	return verdict();
}

TARGET(private_mapping_of_dev_zero)
{
	int fd = open("/dev/zero", O_RDWR);
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	close(fd);
	fill(p, PAGE, 5);
	ready();
	check(is_filled(p, PAGE, 5));
	check(is_zero(p + PAGE, 3 * PAGE));
	return verdict();
}

static int deep(int n)
{
	volatile char room[4096];

	memset((char *)room, n, sizeof(room));
	if (n && deep(n - 1))
		return 1;
	return room[0] != (char)n || room[4095] != (char)n;
}

TARGET(stack_that_grows)
{
	check(!deep(10));
	ready();
	check(!deep(1000));		/* 4 MB, of 8 MB that are allowed */
	return verdict();
}

static int deep_ready(int n)
{
	volatile char room[4096];
	int ret;

	memset((char *)room, n, sizeof(room));
	if (n) {
		ret = deep_ready(n - 1);
	} else {
		ready();
		ret = 0;
	}
	return ret || room[0] != (char)n || room[4095] != (char)n;
}

TARGET(stack_that_is_deep)
{
	check(!deep_ready(500));
	return verdict();
}

TARGET(mapping_that_grows_down)
{
	char *p = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *top = p + 62 * PAGE;

	check_errno(!munmap(p, 64 * PAGE));
	top = mmap(top, 2 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
	check_errno(top != MAP_FAILED);
	fill(top, 2 * PAGE, 9);
	ready();
	check(is_filled(top, 2 * PAGE, 9));
	top[-1] = 1;
	top[-3 * (long)PAGE] = 1;
	return verdict();
}

TARGET(heap_that_grows)
{
	char *begin = sbrk(MB), *end = sbrk(0), *more;

	check(begin != (void *)-1);
	fill(begin, MB, 77);
	ready();
	check(sbrk(0) == end);
	check(is_filled(begin, MB, 77));
	more = sbrk(MB);
	check(more == end);
	memset(more, 1, MB);
	check(sbrk(-(long)MB) == end + MB);
	check(sbrk(0) == end);
	more = malloc(100000);
	check(more);
	memset(more, 1, 100000);
	free(more);
	return verdict();
}

/* kB that a line of smaps gives for the mapping at an address; -1: none */
static long smaps_kb(const void *addr, const char *name)
{
	static char text[1 << 18];
	unsigned long start, end;
	char *line, *next;
	bool here = false;
	size_t n = strlen(name);

	read_text("/proc/self/smaps", text, sizeof(text));
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = (uintptr_t)addr >= start && (uintptr_t)addr < end;
		else if (here && !strncmp(line, name, n) && line[n] == ':')
			return atol(line + n + 1);
	}
	return -1;
}

TARGET(huge_pages)
{
	char *p = map_anon(10 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE), *huge;
	long kb;

	huge = (char *)(((uintptr_t)p + 2 * MB - 1) & ~(2 * MB - 1));
	check_errno(!madvise(huge, 8 * MB, MADV_HUGEPAGE));
	fill(huge, 6 * MB, 3);
	huge[7 * MB] = 1;
	kb = smaps_kb(huge, "AnonHugePages");
	if (kb < 4096) {
		say("skip: no huge pages here (%ld kB)", kb);
		return 0;
	}
	/* A part of one is made small */
	check_errno(!mprotect(huge + 2 * MB, PAGE, PROT_READ));
	kb = smaps_kb(huge, "AnonHugePages") + smaps_kb(huge + 2 * MB + PAGE, "AnonHugePages");
	ready();
	check(smaps_kb(huge, "AnonHugePages") +
	      smaps_kb(huge + 2 * MB + PAGE, "AnonHugePages") == kb);
	check(is_filled(huge, 6 * MB, 3));
	check(huge[7 * MB] == 1);
	check(is_zero(huge + 7 * MB + 1, MB - 1));
	memset(huge + 2 * MB + PAGE, 2, MB);
	check(is_filled(huge, 2 * MB + PAGE, 3));
	check(is_filled(huge + 3 * MB + PAGE, 3 * MB - PAGE, 3 + 3 * MB + PAGE));
	return verdict();
}

/*
 * Mappings as in smaps: head and flags. Neighbours that differ in nothing are
 * one: the kernel may have merged them.
 */
struct mapping {
	unsigned long start, end, offset, inode;
	char perms[5], dev[12], name[96], flags[80];
};

struct mappings {
	int n;
	struct mapping m[1500];
};

static struct mappings maps_before, maps_after;

static bool can_be_one(const struct mapping *a, const struct mapping *b)
{
	return a->end == b->start && !strcmp(a->perms, b->perms) &&
	       !strcmp(a->name, b->name) && !strcmp(a->flags, b->flags) && a->inode == b->inode &&
	       (!a->inode || a->offset + a->end - a->start == b->offset);
}

static void read_mappings(struct mappings *maps)
{
	static char text[1 << 21];
	struct mapping *m = NULL;
	char *line, *next, *p;
	int i, n = 0;

	check(read_text("/proc/self/smaps", text, sizeof(text)) < (int)sizeof(text) - 1);
	maps->n = 0;
	for (line = text; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!strncmp(line, "VmFlags: ", 9)) {
			/* Soft-dirty belongs to an observer */
			p = strstr(line, " sd");
			if (p)
				memmove(p, p + 3, strlen(p + 3) + 1);
			snprintf(m->flags, sizeof(m->flags), "%s", line + 9);
			continue;
		}
		if (!strchr("0123456789abcdef", line[0]))
			continue;
		if (n == 1500) {
			wrong("too many mappings");
			break;
		}
		m = &maps->m[n++];
		memset(m, 0, sizeof(*m));
		check(sscanf(line, "%lx-%lx %4s %lx %11s %lu %95[^\n]", &m->start, &m->end,
			     m->perms, &m->offset, m->dev, &m->inode, m->name) >= 6);
		/* A new object has a new number */
		if (!strcmp(m->name, "/dev/zero (deleted)"))
			m->inode = 0;
	}
	for (i = 0; i < n; i++) {
		m = &maps->m[maps->n - 1];
		if (maps->n && can_be_one(m, &maps->m[i]))
			m->end = maps->m[i].end;
		else
			maps->m[maps->n++] = maps->m[i];
	}
}

static void same_mappings(void)
{
	struct mapping *a, *b;
	int i, n = 0;

	read_mappings(&maps_after);
	for (i = 0; i < maps_before.n && i < maps_after.n && n < 5; i++) {
		a = &maps_before.m[i];
		b = &maps_after.m[i];
		if (a->start == b->start && a->end == b->end && !strcmp(a->perms, b->perms) &&
		    a->inode == b->inode && !strcmp(a->dev, b->dev) && !strcmp(a->name, b->name) &&
		    !strcmp(a->flags, b->flags) && (!a->inode || a->offset == b->offset))
			continue;
		wrong("%lx-%lx %s %lx %s %lu %s: %s -> %lx-%lx %s %lx %s %lu %s: %s",
		      a->start, a->end, a->perms, a->offset, a->dev, a->inode, a->name, a->flags,
		      b->start, b->end, b->perms, b->offset, b->dev, b->inode, b->name, b->flags);
		n++;
	}
	if (maps_before.n != maps_after.n)
		wrong("%d mappings -> %d", maps_before.n, maps_after.n);
}

TARGET(mappings)
{
	/* Once for what the reading itself changes */
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	return verdict();
}

TARGET(flags_of_mappings)
{
	static const int advice[] = {
		MADV_SEQUENTIAL, MADV_RANDOM, MADV_DONTFORK, MADV_WIPEONFORK, MADV_DONTDUMP,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
	};
	char *keep[2] = { NULL, NULL };
	pid_t pid = getpid();
	unsigned int i;
	char *p;

	for (i = 0; i < ARRAY_SIZE(advice); i++) {
		p = map_anon(8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
		fill(p + PAGE, 2 * PAGE, i);
		if (madvise(p, 4 * PAGE, advice[i]))
			check_errno(errno == EINVAL);	/* not in this kernel */
		if (advice[i] == MADV_DONTFORK)
			keep[0] = p;
		if (advice[i] == MADV_WIPEONFORK)
			keep[1] = p;
	}
	p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	check_errno(!mlock(p, 2 * PAGE));
	p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	check_errno(!mlock2(p, 2 * PAGE, MLOCK_ONFAULT));
	map_anon(64 * MB, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE);
	map_anon(64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);
	map_anon(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_STACK);
	p = map_anon(16 * PAGE, PROT_NONE, MAP_PRIVATE);
	check_errno(!mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE));
	p = map_anon(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	check_errno(!mprotect(p + 4 * PAGE, 4 * PAGE, PROT_NONE));
	map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	make_file(arg, "flags", 4 * PAGE, O_RDONLY);
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	/* An export is no fork, but of random numbers there is to be no copy */
	check(is_filled(keep[0] + PAGE, 2 * PAGE, 2));
	if (getpid() == pid)
		check(is_filled(keep[1] + PAGE, 2 * PAGE, 3));
	else
		check(is_zero(keep[1] + PAGE, 2 * PAGE));
	return verdict();
}

TARGET(hundreds_of_mappings)
{
	char *p = map_anon(1200 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int i;

	for (i = 0; i < 1200; i++)
		p[i * PAGE] = i;
	for (i = 0; i < 1200; i += 2)
		check_errno(!mprotect(p + i * PAGE, PAGE, PROT_READ));
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	for (i = 0; i < 1200; i++)
		check(p[i * PAGE] == (char)i);
	return verdict();
}

TARGET(moved_mappings)
{
	char *p = map_anon(16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *room = map_anon(64 * PAGE, PROT_NONE, MAP_PRIVATE), *q;
	int fd = make_file(arg, "moved", 8 * PAGE, O_RDWR);
	char *file = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	fill(p, 16 * PAGE, 8);
	fill(file + PAGE, PAGE, 99);
	q = mremap(p + 4 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		   room + 8 * PAGE);
	check_errno(q == room + 8 * PAGE);
	file = mremap(file, 8 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		      room + 32 * PAGE);
	check_errno(file == room + 32 * PAGE);
	ready();
	check(is_filled(p, 4 * PAGE, 8));
	check(is_filled(q, 4 * PAGE, 8 + 4 * PAGE));
	check(is_filled(p + 8 * PAGE, 8 * PAGE, 8 + 8 * PAGE));
	check(is_filled(file, PAGE, 0));
	check(is_filled(file + PAGE, PAGE, 99));
	check(is_filled(file + 2 * PAGE, 6 * PAGE, 2 * PAGE));
	return verdict();
}

TARGET(huge_sparse_mapping)
{
	size_t size = 64UL << 30, i;
	char *p = map_anon(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE);

	for (i = 0; i < size; i += 4UL << 30)
		p[i + i / 1024 / 1024 * PAGE] = 'x';
	ready();
	for (i = 0; i < size; i += 4UL << 30) {
		check(p[i + i / 1024 / 1024 * PAGE] == 'x');
		check(p[i + i / 1024 / 1024 * PAGE + 2 * PAGE] == 0);
	}
	return verdict();
}

/* 64 MB that are read, not written */
TARGET(zero_pages)
{
	char *p = map_anon(64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	volatile char sum = 0;
	size_t i;

	check_errno(!madvise(p, 64 * MB, MADV_NOHUGEPAGE));
	for (i = 0; i < 64 * MB; i += PAGE)
		sum += p[i];
	ready();
	check(is_zero(p, 64 * MB));
	return verdict();
}

TARGET(shared_anonymous_memory)
{
	char *p = map_anon(8 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED);
	char *alias = mremap(p, 0, 8 * PAGE, MREMAP_MAYMOVE);
	int status;
	pid_t pid;

	check_errno(alias != MAP_FAILED);
	fill(p + PAGE, 2 * PAGE, 6);
	check(is_filled(alias + PAGE, 2 * PAGE, 6));
	ready();
	check(is_filled(p + PAGE, 2 * PAGE, 6));
	check(is_zero(p + 3 * PAGE, 5 * PAGE));
	/* Still one object */
	alias[5 * PAGE] = 1;
	check(p[5 * PAGE] == 1);
	/* Still shared with children */
	pid = fork();
	if (!pid) {
		p[6 * PAGE] = 7;
		_exit(0);
	}
	check_errno(waitpid(pid, &status, 0) == pid && !status);
	check(p[6 * PAGE] == 7);
	check(alias[6 * PAGE] == 7);
	return verdict();
}

/* More than any machine has: only MAP_NORESERVE allows it */
TARGET(shared_memory_without_reserve)
{
	size_t size = 1UL << 40;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		say("skip: no %zu GB of shared memory: %m", size >> 30);
		return 0;
	}
	fill(p + size / 2, 2 * PAGE, 8);
	p[size - 1] = 9;
	ready();
	check(is_zero(p, PAGE));
	check(is_filled(p + size / 2, 2 * PAGE, 8));
	check(p[size - 1] == 9);
	p[size / 4] = 1;
	return verdict();
}

/* To lock it must not make the pages that are not there */
TARGET(locked_memory_without_access)
{
	char *p = map_anon(64 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	check_errno(!madvise(p, 64 * MB, MADV_NOHUGEPAGE));
	p[PAGE] = 1;
	check_errno(!mprotect(p, 64 * MB, PROT_NONE));
	/* It says that there is nothing to be read in, but locks */
	check(mlock(p, 64 * MB) == -1 && errno == ENOMEM);
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	check(smaps_kb(p, "Rss") <= 16);
	ready();
	check(smaps_kb(p, "Rss") <= 16);
	same_mappings();
	check_errno(!mprotect(p, 64 * MB, PROT_READ));
	check(p[PAGE] == 1);
	return verdict();
}

TARGET(locked_memory)
{
	char before[64], after[64];
	char *p;

	check_errno(!mlockall(MCL_CURRENT | MCL_FUTURE));
	p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	check_errno(!proc_field(getpid(), "status", "VmLck", before, sizeof(before)));
	p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	check_errno(!proc_field(getpid(), "status", "VmLck", after, sizeof(after)));
	check(atol(after) == atol(before) + 16);
	check_errno(!munlockall());
	p[0] = 1;
	return verdict();
}

TARGET(named_memory)
{
	char *p = map_anon(4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, 4 * PAGE, "of the ghost")) {
		say("skip: no names of anonymous memory: %m");
		return 0;
	}
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	return verdict();
}

TARGET(no_write_and_execute)
{
	void *p = map_anon(PAGE, PROT_READ, MAP_PRIVATE);

	check_errno(!prctl(PR_SET_MDWE, 1, 0, 0, 0));
	ready();
	check(prctl(PR_GET_MDWE, 0, 0, 0, 0) == 1);
	check(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == -1);
	return verdict();
}

/* Its contents may be dropped at any time; two processes must not have the same */
TARGET(droppable_memory)
{
	char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
		       MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	pid_t pid = getpid();

	if (p == MAP_FAILED) {
		say("skip: no MAP_DROPPABLE: %m");
		return 0;
	}
	memset(p, 'x', 4 * PAGE);
	read_mappings(&maps_before);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	if (getpid() != pid)
		check(is_zero(p, 4 * PAGE));
	memset(p, 'y', 4 * PAGE);
	return verdict();
}

TARGET(vdso)
{
	struct timespec before, after, mono;
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
	int i;

	check(vdso);
	check(!memcmp((void *)vdso, "\177ELF", 4));
	clock_gettime(CLOCK_REALTIME, &before);
	ready();
	check(!memcmp((void *)vdso, "\177ELF", 4));
	for (i = 0; i < 1000; i++) {
		check_errno(!clock_gettime(CLOCK_REALTIME, &after));
		check_errno(!clock_gettime(CLOCK_MONOTONIC, &mono));
	}
	check(after.tv_sec > before.tv_sec ||
	      (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec));
	check(after.tv_sec < before.tv_sec + 600);
	check(sched_getcpu() >= 0);
	check(time(NULL) >= before.tv_sec);
	return verdict();
}

/* Unmap the vDSO and its data. From now on nobody may ask for the time. */
static void unmap_vdso(struct mapping *vvar, struct mapping *vdso)
{
	struct mapping *m;
	int i;

	read_mappings(&maps_before);
	memset(vvar, 0, sizeof(*vvar));
	memset(vdso, 0, sizeof(*vdso));
	for (i = 0; i < maps_before.n; i++) {
		m = &maps_before.m[i];
		if (!strcmp(m->name, "[vdso]"))
			*vdso = *m;
		else if (!strncmp(m->name, "[vvar", 5))
			*vvar = *m;
		else
			continue;
		check_errno(!munmap((void *)m->start, m->end - m->start));
	}
}

TARGET(unmapped_vdso)
{
	struct mapping vvar, vdso;

	unmap_vdso(&vvar, &vdso);
	if (!vdso.start || !vvar.start) {
		say("skip: no vDSO");
		return 0;
	}
	read_mappings(&maps_before);
	ready();
	same_mappings();
	check(msync((void *)vdso.start, PAGE, MS_ASYNC) == -1 && errno == ENOMEM);
	return verdict();
}

TARGET(memory_in_place_of_the_vdso)
{
	struct mapping vvar, vdso;
	char *p, *q;

	unmap_vdso(&vvar, &vdso);
	if (!vdso.start || !vvar.start) {
		say("skip: no vDSO");
		return 0;
	}
	p = mmap((void *)vdso.start, vdso.end - vdso.start, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check_errno(p == (void *)vdso.start);
	fill(p, vdso.end - vdso.start, 9);
	q = mmap((void *)vvar.start, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	check_errno(q == (void *)vvar.start);
	fill(q, PAGE, 10);
	read_mappings(&maps_before);
	ready();
	same_mappings();
	check(is_filled(p, vdso.end - vdso.start, 9));
	check(is_filled(q, PAGE, 10));
	return verdict();
}

/*
 * What /proc says
 */

TARGET(arguments)
{
	static struct text cmdline, environ_, auxv, comm;
	char before[PATH_MAX], after[PATH_MAX];
	ssize_t n, m;

	check_errno(!prctl(PR_SET_NAME, "a name"));
	text_before(&cmdline, "/proc/self/cmdline");
	text_before(&environ_, "/proc/self/environ");
	text_before(&auxv, "/proc/self/auxv");
	text_before(&comm, "/proc/self/comm");
	n = readlink("/proc/self/exe", before, sizeof(before));
	ready();
	m = readlink("/proc/self/exe", after, sizeof(after));
	check(n > 0 && n == m && !memcmp(before, after, n));
	read_text("/proc/self/cmdline", cmdline.after, sizeof(cmdline.after));
	check(!memcmp(cmdline.before, cmdline.after, sizeof(cmdline.before)));
	read_text("/proc/self/environ", environ_.after, sizeof(environ_.after));
	check(!memcmp(environ_.before, environ_.after, sizeof(environ_.before)));
	read_text("/proc/self/auxv", auxv.after, sizeof(auxv.after));
	check(!memcmp(auxv.before, auxv.after, sizeof(auxv.before)));
	text_same(&comm, "/proc/self/comm");
	return verdict();
}

/* Fields of /proc/PID/stat that say where things are, and how they are scheduled */
TARGET(addresses)
{
	static const int fields[] = {
		18, 19, 20,			/* priority, nice, threads */
		26, 27, 28,			/* startcode, endcode, startstack */
		45, 46, 47, 48, 49, 50, 51,	/* data, brk, arguments, environment */
	};
	static char stat[2][2048];
	unsigned int i, f;
	char *p[2];

	read_text("/proc/self/stat", stat[0], sizeof(stat[0]));
	ready();
	read_text("/proc/self/stat", stat[1], sizeof(stat[1]));
	for (i = 0; i < ARRAY_SIZE(fields); i++) {
		for (f = 0; f < 2; f++) {
			int n;

			p[f] = strrchr(stat[f], ')');
			for (n = 2; p[f] && n < fields[i]; n++)
				p[f] = strchr(p[f] + 1, ' ');
		}
		if (!p[0] || !p[1] || strtoul(p[0] + 1, NULL, 10) != strtoul(p[1] + 1, NULL, 10))
			wrong("field %d of stat", fields[i]);
	}
	return verdict();
}

TARGET(resource_limits)
{
	struct rlimit limit[RLIM_NLIMITS], now;
	int i;

	dup2(0, 200);
	close(200);
	check(dup2(open("/dev/null", O_RDWR), 200) == 200);
	for (i = 0; i < RLIM_NLIMITS; i++) {
		check_errno(!getrlimit(i, &limit[i]));
		if (i == RLIMIT_NOFILE)
			limit[i].rlim_cur = 64;		/* below a descriptor that is open */
		else if (i == RLIMIT_CORE)
			limit[i] = (struct rlimit) { 0, 0 };
		else if (i == RLIMIT_FSIZE)
			limit[i].rlim_cur = 1 << 30;
		else if (i == RLIMIT_MSGQUEUE)
			limit[i].rlim_cur = 4096;
		else if (i == RLIMIT_CPU)
			limit[i].rlim_cur = 100000;
		else if (i == RLIMIT_STACK)
			limit[i].rlim_cur = 7 * MB;
		check_errno(!setrlimit(i, &limit[i]));
	}
	ready();
	for (i = 0; i < RLIM_NLIMITS; i++) {
		check_errno(!getrlimit(i, &now));
		if (now.rlim_cur != limit[i].rlim_cur || now.rlim_max != limit[i].rlim_max)
			wrong("limit %d: %lu %lu", i, now.rlim_cur, now.rlim_max);
	}
	check(fcntl(200, F_GETFD) == 0);
	return verdict();
}

TARGET(working_directory)
{
	char cwd[PATH_MAX];
	struct stat st;

	check_errno(!chdir(arg));
	umask(0135);
	ready();
	check_errno(getcwd(cwd, sizeof(cwd)));
	check(!strcmp(cwd, arg));
	close(open("made", O_WRONLY | O_CREAT | O_TRUNC, 0777));
	check_errno(!stat("made", &st));
	check((st.st_mode & 0777) == (0777 & ~0135));
	check_errno(!unlink("made"));
	check(umask(0) == 0135);
	return verdict();
}

TARGET(changed_root)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/inside", arg);
	mkdir(path, 0755);
	check_errno(!chroot(arg));
	check_errno(!chdir("/inside"));
	ready();
	check(!access("/inside", F_OK));
	check(access("/proc/self", F_OK) == -1 && errno == ENOENT);
	check_errno(getcwd(path, sizeof(path)));
	check(!strcmp(path, "/inside"));
	return verdict();
}

/* A daemon that has given up its privileges */
static void drop_privileges(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{
			.effective = 1 << CAP_NET_BIND_SERVICE,
			.permitted = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_KILL,
			.inheritable = 1 << CAP_NET_BIND_SERVICE,
		},
	};
	gid_t groups[] = { 10, 20, 300000 };

	check_errno(!prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT));
	check_errno(!prctl(PR_CAPBSET_DROP, CAP_MKNOD));
	check_errno(!prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS | SECBIT_NOROOT));
	check_errno(!setgroups(3, groups));
	check_errno(!setresgid(1001, 1002, 1003));
	check_errno(!setresuid(2001, 2002, 2003));
	check_errno(!syscall(SYS_capset, &head, data));
	check_errno(!prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0));
	check_errno(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static const char *const cred_fields[] = {
	"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
};

TARGET(credentials)
{
	char before[ARRAY_SIZE(cred_fields)][128], after[128];
	int securebits, dumpable;
	unsigned int i;

	drop_privileges();
	securebits = prctl(PR_GET_SECUREBITS);
	dumpable = prctl(PR_GET_DUMPABLE);
	for (i = 0; i < ARRAY_SIZE(cred_fields); i++)
		check_errno(!proc_field(getpid(), "status", cred_fields[i], before[i],
					sizeof(before[i])));
	ready();
	for (i = 0; i < ARRAY_SIZE(cred_fields); i++) {
		check_errno(!proc_field(getpid(), "status", cred_fields[i], after, sizeof(after)));
		if (strcmp(before[i], after))
			wrong("%s: %s -> %s", cred_fields[i], before[i], after);
	}
	check(prctl(PR_GET_SECUREBITS) == securebits);
	check(prctl(PR_GET_DUMPABLE) == dumpable);
	check(setuid(0) == -1 && errno == EPERM);
	return verdict();
}

TARGET(scheduling)
{
	struct sched_param param = { 0 };
	char before[64], after[64];
	unsigned long persona;

	check_errno(!sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &param));
	check_errno(!setpriority(PRIO_PROCESS, 0, 7));
	check_errno(!syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
			     IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6)));
	check_errno(!prctl(PR_SET_TIMERSLACK, 123456));
	check_errno(!write_text("/proc/self/oom_score_adj", "321\n"));
	check_errno(!write_text("/proc/self/coredump_filter", "0x11\n"));
	check_errno(!prctl(PR_SET_CHILD_SUBREAPER, 1));
	check_errno(!prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	check_errno(!prctl(PR_SET_DUMPABLE, 0));
	persona = personality(ADDR_NO_RANDOMIZE | SHORT_INODE);
	check(persona != -1UL);
	ready();
	check(sched_getscheduler(0) == (SCHED_BATCH | SCHED_RESET_ON_FORK));
	check(getpriority(PRIO_PROCESS, 0) == 7);
	check(syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0) ==
	      IOPRIO_PRIO_VALUE(IOPRIO_CLASS_BE, 6));
	check(prctl(PR_GET_TIMERSLACK) == 123456);
	check(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1);
	check(prctl(PR_GET_DUMPABLE) == 0);
	check(personality(0xffffffff) == (ADDR_NO_RANDOMIZE | SHORT_INODE));
	prctl(PR_SET_DUMPABLE, 1);
	check_errno(read_text("/proc/self/oom_score_adj", after, sizeof(after)) > 0);
	check(atoi(after) == 321);
	check_errno(read_text("/proc/self/coredump_filter", before, sizeof(before)) > 0);
	check(strtol(before, NULL, 16) == 0x11);
	check_errno(!prctl(PR_GET_CHILD_SUBREAPER, after));
	check(*(int *)after == 1);
	return verdict();
}

TARGET(real_time_scheduling)
{
	struct sched_param param = { .sched_priority = 17 }, now;

	check_errno(!sched_setscheduler(0, SCHED_FIFO, &param));
	ready();
	check(sched_getscheduler(0) == SCHED_FIFO);
	check_errno(!sched_getparam(0, &now));
	check(now.sched_priority == 17);
	return verdict();
}

/*
 * Files
 */

struct fd_state {
	int fd, flags, fd_flags;
	off_t pos;
	ino_t ino;
};

static struct fd_state fd_state(int fd)
{
	struct fd_state s = { .fd = fd };
	struct stat st;

	s.flags = fcntl(fd, F_GETFL);
	s.fd_flags = fcntl(fd, F_GETFD);
	s.pos = lseek(fd, 0, SEEK_CUR);
	check_errno(!fstat(fd, &st));
	s.ino = st.st_ino;
	return s;
}

static void same_fd(const struct fd_state *old)
{
	struct fd_state now = fd_state(old->fd);

	if (now.flags != old->flags || now.fd_flags != old->fd_flags || now.pos != old->pos ||
	    now.ino != old->ino)
		wrong("fd %d: flags %o -> %o, fd flags %d -> %d, pos %ld -> %ld, inode %lu -> %lu",
		      old->fd, old->flags, now.flags, old->fd_flags, now.fd_flags,
		      old->pos, now.pos, old->ino, now.ino);
}

static int open_in(const char *dir, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags, 0600);
	check_errno(fd >= 0);
	return fd;
}

TARGET(regular_files)
{
	struct fd_state state[8];
	int rdwr, twin, append, readonly, own, sync, noatime, high, i;
	struct stat st;
	char buf[8];

	close(make_file(arg, "a", 3 * PAGE, O_RDONLY));
	close(make_file(arg, "b", 100, O_RDONLY));
	rdwr = open_in(arg, "a", O_RDWR);
	check(lseek(rdwr, 4711, SEEK_SET) == 4711);
	twin = fcntl(rdwr, F_DUPFD_CLOEXEC, 50);
	append = open_in(arg, "b", O_WRONLY | O_APPEND | O_CLOEXEC);
	readonly = open_in(arg, "a", O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
	check(lseek(readonly, 7, SEEK_SET) == 7);
	own = open_in(arg, "created", O_RDWR | O_CREAT | O_EXCL | O_TRUNC);
	check(write(own, "12345", 5) == 5);
	sync = open_in(arg, "a", O_RDWR | O_SYNC);
	noatime = open_in(arg, "a", O_RDONLY | O_NOATIME);
	high = fcntl(readonly, F_DUPFD, 900);
	check(lseek(noatime, 1L << 40, SEEK_SET) == 1L << 40);
	state[0] = fd_state(rdwr);
	state[1] = fd_state(twin);
	state[2] = fd_state(append);
	state[3] = fd_state(readonly);
	state[4] = fd_state(own);
	state[5] = fd_state(sync);
	state[6] = fd_state(noatime);
	state[7] = fd_state(high);
	ready();
	for (i = 0; i < 8; i++)
		same_fd(&state[i]);
	/* One open file behind two descriptors, and another one of the same file */
	check(lseek(rdwr, 1, SEEK_CUR) == 4712);
	check(lseek(twin, 0, SEEK_CUR) == 4712);
	check(lseek(readonly, 0, SEEK_CUR) == 7);
	check(lseek(high, 2, SEEK_CUR) == 9);
	check(lseek(readonly, 0, SEEK_CUR) == 9);
	check(read(readonly, buf, 8) == 8 && is_filled(buf, 8, 9));
	check(write(readonly, buf, 1) == -1 && errno == EBADF);
	check(read(append, buf, 1) == -1 && errno == EBADF);
	check(write(append, "more\n", 5) == 5);
	check_errno(!fstat(append, &st));
	check(lseek(append, 0, SEEK_CUR) == st.st_size);
	check(write(own, "x", 1) == 1);
	check(close(rdwr) == 0 && fcntl(twin, F_GETFD) == FD_CLOEXEC);
	return verdict();
}

struct getdents_entry {
	__u64 ino;
	__s64 off;
	__u16 reclen;
	__u8 type;
	char name[];
};

static int read_names(int fd, char names[][16], int n, int max)
{
	static char buf[64];
	struct getdents_entry *d;
	long len, pos;

	for (;;) {
		len = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		if (len <= 0)
			break;
		for (pos = 0; pos < len; pos += d->reclen) {
			d = (void *)(buf + pos);
			if (n < 40)
				snprintf(names[n++], 16, "%.15s", d->name);
		}
		if (n >= max)
			break;
	}
	return n;
}

TARGET(directories)
{
	static char names[40][16];
	char name[32];
	int fd, n, i, j;

	snprintf(name, sizeof(name), "sub");
	fd = open(arg, O_RDONLY | O_DIRECTORY);
	check_errno(fd >= 0);
	mkdirat(fd, "sub", 0755);
	for (i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "sub/f%d", i);
		close(openat(fd, name, O_WRONLY | O_CREAT, 0600));
	}
	n = openat(fd, "sub", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	check_errno(n >= 0);
	close(fd);
	fd = n;
	n = read_names(fd, names, 0, 7);
	check(n >= 7 && n < 20);
	ready();
	n = read_names(fd, names, n, 40);
	if (n != 22)
		wrong("%d entries instead of 22", n);
	for (i = 0; i < n; i++)
		for (j = 0; j < i; j++)
			check(strcmp(names[i], names[j]));
	check(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	check(!faccessat(fd, "f3", R_OK, 0));
	return verdict();
}

TARGET(devices)
{
	static const char *const names[] = {
		"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
	};
	char before[PATH_MAX], after[PATH_MAX], path[32], buf[16];
	int fd[ARRAY_SIZE(names)], flags[ARRAY_SIZE(names)];
	unsigned int i;
	ssize_t n, m;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		fd[i] = open(names[i], O_RDWR | (i & 1 ? O_CLOEXEC : O_APPEND));
		check_errno(fd[i] >= 0);
		flags[i] = fcntl(fd[i], F_GETFL);
	}
	n = readlink("/proc/self/fd/3", before, sizeof(before));
	ready();
	m = readlink("/proc/self/fd/3", after, sizeof(after));
	check(n > 0 && n == m && !memcmp(before, after, n));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		check(fcntl(fd[i], F_GETFL) == flags[i]);
		check(fcntl(fd[i], F_GETFD) == (i & 1 ? FD_CLOEXEC : 0));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd[i]);
		m = readlink(path, after, sizeof(after) - 1);
		after[m < 0 ? 0 : m] = 0;
		check(!strcmp(after, names[i]));
	}
	check(read(fd[0], buf, 16) == 0);
	memset(buf, 1, 16);
	check(read(fd[1], buf, 16) == 16 && is_zero(buf, 16));
	check(write(fd[2], buf, 1) == -1 && errno == ENOSPC);
	check(read(fd[3], buf, 16) == 16);
	check(read(fd[4], buf, 16) == 16);
	return verdict();
}

/* Its memory is where there is no page to be found */
TARGET(swapped_memory)
{
	const size_t size = 8 * MB;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char kb[32];

	fill(p, size, 7);
	check_errno(!madvise(p, size, MADV_PAGEOUT));
	check(!proc_field(getpid(), "status", "VmSwap", kb, sizeof(kb)) &&
	      atol(kb) > (long)(size / 2 / 1024));
	ready();
	check(is_filled(p, size, 7));
	return verdict();
}

/*
 * Everything above, with each backend
 */

FIXTURE(copy)
{
	struct target t;
	struct target copy;
	struct image img;
	char dir[PATH_MAX];
	char swap[PATH_MAX + 8];
	const char *wake;
};

FIXTURE_VARIANT(copy)
{
	enum store store;
};

FIXTURE_VARIANT_ADD(copy, in_memory) { .store = STORE_MEMORY };
FIXTURE_VARIANT_ADD(copy, in_tmpfs) { .store = STORE_TMPFS };
FIXTURE_VARIANT_ADD(copy, in_ext4) { .store = STORE_EXT4 };
FIXTURE_VARIANT_ADD(copy, through_pipe) { .store = STORE_PIPE };
FIXTURE_VARIANT_ADD(copy, compressed_by_module) { .store = STORE_MODULE };

static bool make_dir(char *dir, size_t size)
{
	const char *base = getenv("GHOST_TEST_DIR") ?: "/var/tmp";
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/ghost-state-XXXXXX", base);
	return mkdtemp(path) && !chmod(path, 0755) && realpath(path, dir) && strlen(dir) < size;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
	return remove(path);
}

static void remove_dir(const char *dir)
{
	if (dir[0] && nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT))
		fprintf(stderr, "# cannot remove %s\n", dir);
}

FIXTURE_SETUP(copy)
{
	const char *why;

	GHOST_NEEDED();
	why = image_open(&self->img, variant->store);
	if (why)
		SKIP(return, "%s", why);
	ASSERT_TRUE(make_dir(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(copy)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	if (self->swap[0])
		swapoff(self->swap);
	remove_dir(self->dir);
}

/* Start it; NULL: it is ready, else why it cannot be tried here */
static const char *get_ready(struct target *t, const char *name, const struct target_options *o)
{
	const char *line;

	if (target_start(t, name, o))
		return "it cannot be started";
	line = target_line(t);
	if (!line)
		return "it says nothing";
	if (!strcmp(line, "ready"))
		return NULL;
	return line;
}

static bool wake(struct target *t, bool loops)
{
	return loops ? !kill(t->pid, SIGUSR1) : !target_wake(t);
}

static bool ends_well(struct target *t)
{
	int status;

	if (!target_says(t, "ok") || target_wait(t, &status))
		return false;
	if (status)
		fprintf(stderr, "# it ends with status %#x\n", status);
	return !status;
}

static void copy_and_compare(struct __test_metadata *_metadata, FIXTURE_DATA(copy) *self,
			     const char *name, bool loops)
{
	struct target_options o = { .arg = self->dir };
	const char *why = get_ready(&self->t, name, &o);

	if (why && !strncmp(why, "skip: ", 6))
		SKIP(return, "%s", why + 6);
	ASSERT_EQ(NULL, why) TH_LOG("%s", why);
	if (!loops)
		ASSERT_TRUE(target_sleeps_in(&self->t, ANY_THREAD, __NR_read));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_TRUE(wake(&self->copy, loops));
	EXPECT_TRUE(ends_well(&self->copy));
	ASSERT_TRUE(wake(&self->t, loops));
	EXPECT_TRUE(ends_well(&self->t));
}

#define COPY_TEST(_sentence, _target)					\
	TEST_F(copy, _sentence)						\
	{								\
		copy_and_compare(_metadata, self, #_target, false);	\
	}

#define LOOP_TEST(_sentence, _target)					\
	TEST_F(copy, _sentence)						\
	{								\
		copy_and_compare(_metadata, self, #_target, true);	\
	}

LOOP_TEST(has_all_registers, registers_in_a_loop)
COPY_TEST(has_all_registers_in_a_system_call, registers_in_a_call)
LOOP_TEST(has_the_flags, flags)
LOOP_TEST(has_the_sse_registers, sse)
LOOP_TEST(has_the_avx_registers, avx)
LOOP_TEST(has_the_avx512_registers, avx512)
LOOP_TEST(has_the_fpu_stack_and_control_words, fpu_control)
COPY_TEST(has_the_protection_key_rights, pkru)
COPY_TEST(has_the_segment_bases, segment_bases)
COPY_TEST(has_its_rseq_registered, rseq)
COPY_TEST(has_the_robust_list_and_tid_address, robust_list_and_tid_address)
COPY_TEST(has_all_threads_each_with_its_own_state, threads)
COPY_TEST(has_threads_that_wait_for_each_other, threads_that_wait)
COPY_TEST(can_have_a_leader_that_has_ended, leader_that_has_ended)
COPY_TEST(has_all_signal_actions, signal_actions)
COPY_TEST(has_the_alternate_stack, alternate_stack)
COPY_TEST(can_be_in_a_signal_handler, handler_that_runs)
COPY_TEST(has_the_pending_signals_with_their_values, pending_signals)
COPY_TEST(has_the_anonymous_memory, anonymous_memory)
COPY_TEST(has_code_in_anonymous_memory, code_in_anonymous_memory)
COPY_TEST(has_changed_pages_of_private_file_mappings, private_file_mapping)
COPY_TEST(has_zeros_where_they_hide_what_is_in_a_file, zero_page_over_a_file)
COPY_TEST(has_readonly_shared_file_mappings, readonly_shared_file_mapping)
COPY_TEST(has_private_mappings_of_dev_zero, private_mapping_of_dev_zero)
COPY_TEST(has_a_stack_that_grows, stack_that_grows)
COPY_TEST(has_a_deep_stack, stack_that_is_deep)
COPY_TEST(has_other_mappings_that_grow_down, mapping_that_grows_down)
COPY_TEST(has_a_heap_that_grows, heap_that_grows)
COPY_TEST(keeps_huge_pages_huge, huge_pages)
COPY_TEST(has_the_same_mappings, mappings)
COPY_TEST(has_the_same_flags_of_mappings, flags_of_mappings)
COPY_TEST(has_hundreds_of_mappings, hundreds_of_mappings)
COPY_TEST(has_mappings_that_were_moved, moved_mappings)
COPY_TEST(has_huge_sparse_mappings, huge_sparse_mapping)
COPY_TEST(has_shared_anonymous_memory_still_shared, shared_anonymous_memory)
COPY_TEST(has_shared_memory_that_is_not_reserved, shared_memory_without_reserve)
COPY_TEST(has_memory_locked_for_the_future, locked_memory)
COPY_TEST(has_no_more_locked_pages_than_there_were, locked_memory_without_access)
COPY_TEST(has_names_of_anonymous_memory, named_memory)
COPY_TEST(still_refuses_to_execute_what_was_written, no_write_and_execute)
COPY_TEST(has_droppable_memory_without_its_contents, droppable_memory)
COPY_TEST(has_a_vdso_that_works, vdso)
COPY_TEST(has_no_vdso_if_it_was_unmapped, unmapped_vdso)
COPY_TEST(has_what_was_put_in_place_of_the_vdso, memory_in_place_of_the_vdso)
COPY_TEST(has_the_same_arguments_environment_and_name, arguments)
COPY_TEST(has_everything_at_the_same_address, addresses)
COPY_TEST(has_the_resource_limits, resource_limits)
COPY_TEST(has_the_working_directory_and_umask, working_directory)
COPY_TEST(has_a_changed_root, changed_root)
COPY_TEST(has_given_up_the_same_privileges, credentials)
COPY_TEST(is_scheduled_in_the_same_way, scheduling)
COPY_TEST(has_real_time_priority, real_time_scheduling)
COPY_TEST(has_the_regular_files, regular_files)
COPY_TEST(has_the_directories, directories)
COPY_TEST(has_the_harmless_devices, devices)

TEST_F(copy, costs_nothing_for_zero_pages)
{
	copy_and_compare(_metadata, self, "zero_pages", false);
	EXPECT_GT(4000, self->img.stats.pages);
}

/* A file of that many pages, as mkswap(8) makes it */
static bool make_swap(const char *path, unsigned int pages)
{
	static const char zeros[64 * PAGE];
	const unsigned int version_and_last[2] = { 1, pages - 1 };
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	unsigned int i;
	bool ok = fd >= 0;

	for (i = 0; ok && i < pages; i += 64)
		ok = write(fd, zeros, sizeof(zeros)) == sizeof(zeros);
	ok = ok && pwrite(fd, version_and_last, 8, 1024) == 8 &&
	     pwrite(fd, "SWAPSPACE2", 10, PAGE - 10) == 10 && !fsync(fd);
	close(fd);
	return ok;
}

TEST_F(copy, has_the_memory_that_is_in_swap)
{
	snprintf(self->swap, sizeof(self->swap), "%s/swap", self->dir);
	ASSERT_TRUE(make_swap(self->swap, 4096));
	if (swapon(self->swap, 0)) {
		/* Not each file system can have it, and not each user */
		ASSERT_TRUE(errno == ENOSYS || errno == EINVAL || errno == EPERM);
		SKIP(return, "swapon: %s", strerror(errno));
	}
	copy_and_compare(_metadata, self, "swapped_memory", false);
}

/* Both computed before, while and after one of them was copied */
TARGET(computation)
{
	static uint64_t a[1 << 17], b[1 << 17];		/* 1 MB each */
	uint64_t sum = 0;
	unsigned int i, n;

	for (i = 0; i < 1 << 17; i++)
		a[i] = i;
	say("ready");
	/* In blocks, so that an inconsistent snapshot would be noticed */
	for (n = 0; n < 40; n++) {
		for (i = 0; i < 1 << 17; i++) {
			a[i] = lcg(a[i] ^ b[(i * 7) & 0x1ffff]);
			b[i] = lcg(b[i] + a[(i * 5) & 0x1ffff]);
		}
	}
	for (i = 0; i < 1 << 17; i++)
		sum = lcg(sum ^ a[i] ^ b[i]);
	say("%lx", sum);
	return 0;
}

TEST_F(copy, computes_the_same)
{
	char result[64];
	int status, i;

	ASSERT_EQ(NULL, get_ready(&self->t, "computation", NULL));
	snprintf(result, sizeof(result), "%s", target_line(&self->t) ?: "nothing");
	EXPECT_EQ(0, target_wait(&self->t, &status));
	ASSERT_EQ(NULL, get_ready(&self->t, "computation", NULL));
	for (i = 0; i < 3; i++) {
		sleep_ms(20);
		if (export_target(&self->t, &self->img, 0)) {
			/* This machine is fast */
			ASSERT_EQ(ESRCH, errno) TH_LOG("%s", self->img.report);
			break;
		}
		ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
		EXPECT_TRUE(target_says(&self->copy, result));
		EXPECT_EQ(0, target_wait(&self->copy, &status));
	}
	EXPECT_TRUE(target_says(&self->t, result));
	EXPECT_EQ(0, target_wait(&self->t, &status));
}

/*
 * Flags of the calls, and what becomes of original and copy
 */

FIXTURE(life)
{
	struct target t;
	struct target copy;
	struct target more[20];
	struct image img;
	char dir[PATH_MAX];
};

FIXTURE_SETUP(life)
{
	GHOST_NEEDED();
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
	ASSERT_TRUE(make_dir(self->dir, sizeof(self->dir)));
}

FIXTURE_TEARDOWN(life)
{
	int i;

	target_end(&self->t);
	target_end(&self->copy);
	for (i = 0; i < 20; i++)
		target_end(&self->more[i]);
	image_close(&self->img);
	remove_dir(self->dir);
}

TARGET(sleeper)
{
	pid_t pid = getpid();

	ready();
	if (arg && !strcmp(arg, "same pid"))
		check(getpid() == pid && gettid() == pid);
	return verdict();
}

#define START(_name, _arg) do {							\
	struct target_options _o = { .arg = _arg };				\
	ASSERT_EQ(NULL, get_ready(&self->t, _name, &_o));			\
	ASSERT_TRUE(target_sleeps_in(&self->t, ANY_THREAD, __NR_read));		\
} while (0)

TEST_F(life, copy_gets_its_old_pid_if_it_is_free)
{
	pid_t pid;

	START("sleeper", "same pid");
	pid = self->t.pid;
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	EXPECT_EQ(-1, import_target(&self->copy, &self->t, &self->img, GHOST_IMPORT_KEEP_PID,
				    NULL));
	EXPECT_EQ(EEXIST, errno) TH_LOG("%s", self->img.report);
	target_end(&self->t);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_KEEP_PID);
	EXPECT_EQ(pid, self->copy.pid);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
	/* And once more */
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_KEEP_PID);
	EXPECT_EQ(pid, self->copy.pid);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
}

TEST_F(life, threads_get_their_old_ids)
{
	START("threads", "keep");
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	target_end(&self->t);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_KEEP_PID);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
}

/* A robust mutex knows its owner by id, in user memory */
TARGET(robust_mutex)
{
	static pthread_mutex_t robust;
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&robust, &attr);
	check(!pthread_mutex_lock(&robust));
	ready();
	check(pthread_mutex_lock(&robust) == EDEADLK);
	check(!pthread_mutex_unlock(&robust));
	check(!pthread_mutex_lock(&robust));
	check(!pthread_mutex_unlock(&robust));
	return verdict();
}

TEST_F(life, mutexes_are_still_owned_with_the_old_id)
{
	START("robust_mutex", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	target_end(&self->t);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_KEEP_PID);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
}

TEST_F(life, copy_can_be_made_stopped)
{
	START("sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_STOPPED);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(target_is_silent(&self->copy, 100));
	ASSERT_EQ(0, kill(self->copy.pid, SIGCONT));
	EXPECT_TRUE(ends_well(&self->copy));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(life, threads_can_be_made_stopped)
{
	START("threads", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_STOPPED);
	ASSERT_TRUE(proc_state_becomes(self->copy.pid, 0, 'T'));
	ASSERT_EQ(0, kill(self->copy.pid, SIGCONT));
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(life, original_can_be_left_stopped_and_its_copy_is_not)
{
	siginfo_t info;

	START("sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_STOP);
	ASSERT_EQ(0, waitid(P_PID, self->t.pid, &info, WSTOPPED));
	EXPECT_EQ(SIGSTOP, info.si_status);
	EXPECT_EQ('T', proc_state(self->t.pid, 0));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
	EXPECT_EQ('T', proc_state(self->t.pid, 0));
	ASSERT_EQ(0, kill(self->t.pid, SIGCONT));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

/* What it does after the export must not be in its files: it does nothing */
TARGET(counting)
{
	volatile uint64_t *count = map_anon(PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char buf[32];
	int fd = open_in(arg, "count", O_RDWR | O_CREAT | O_TRUNC);

	check_errno(write(fd, "0\n", 2) == 2);
	say("ready");
	for (;;) {
		snprintf(buf, sizeof(buf), "%lu\n", ++*count);
		check_errno(pwrite(fd, buf, strlen(buf), 0) > 0);
	}
	return 0;
}

TEST_F(life, original_that_is_left_stopped_does_nothing_more)
{
	struct target_options o = { .arg = self->dir };
	char path[PATH_MAX + 8], before[64], after[64];
	int i;

	snprintf(path, sizeof(path), "%s/count", self->dir);
	ASSERT_EQ(NULL, get_ready(&self->t, "counting", &o));
	for (i = 0; i < 10; i++) {
		ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_STOP);
		ASSERT_LT(0, read_text(path, before, sizeof(before)));
		EXPECT_TRUE(proc_state_becomes(self->t.pid, 0, 'T'));
		sleep_ms(20);
		ASSERT_LT(0, read_text(path, after, sizeof(after)));
		EXPECT_STREQ(before, after);
		/* The copy goes on where the file stands, give or take the one it was at */
		ASSERT_IMPORTED(&self->copy, &self->t, &self->img, GHOST_IMPORT_STOPPED);
		target_end(&self->copy);
		kill(self->t.pid, SIGCONT);
		sleep_ms(5);
	}
}

TEST_F(life, original_can_be_killed)
{
	int status;

	START("sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_KILL);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
}

TEST_F(life, killed_original_is_complete_in_its_file)
{
	int status;

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	START("anonymous_memory", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, GHOST_EXPORT_KILL);
	ASSERT_EQ(0, target_wait(&self->t, &status));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
}

TARGET(writer)
{
	char *p = map_anon(4 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	char *shared = map_anon(MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	static char in_bss[100000];

	fill(p, 4 * MB, 1);
	fill(in_bss, sizeof(in_bss), 2);
	fill(shared, MB, 3);
	ready();
	check(is_filled(p, 4 * MB, 1));
	check(is_filled(in_bss, sizeof(in_bss), 2));
	check(is_filled(shared, MB, 3));
	memset(p, 1, 4 * MB);
	memset(in_bss, 1, sizeof(in_bss));
	memset(shared, 1, MB);
	say("written");
	hear();
	return verdict();
}

TEST_F(life, memory_of_copies_is_independent)
{
	struct target *all[22] = { &self->t, &self->copy };
	int i;

	for (i = 0; i < 20; i++)
		all[i + 2] = &self->more[i];
	START("writer", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	for (i = 1; i < 6; i++) {
		ASSERT_IMPORTED(all[i], &self->t, &self->img, 0);
		if (i == 3) {
			/* The original in the middle of them */
			target_wake(&self->t);
			EXPECT_TRUE(target_says(&self->t, "written"));
		}
		target_wake(all[i]);
		EXPECT_TRUE(target_says(all[i], "written"));
	}
	for (i = 0; i < 6; i++) {
		target_wake(all[i]);
		EXPECT_TRUE(ends_well(all[i]));
	}
}

TEST_F(life, one_memory_ghost_makes_many_copies)
{
	int i;

	START("threads", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	for (i = 0; i < 20; i++)
		ASSERT_IMPORTED(&self->more[i], &self->t, &self->img, 0);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, target_wake(&self->more[i]));
		EXPECT_TRUE(ends_well(&self->more[i]));
	}
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(life, copy_of_a_copy_of_a_copy_works)
{
	struct target *from = &self->t;
	int i;

	START("pending_signals", NULL);
	for (i = 0; i < 5; i++) {
		ASSERT_EXPORTED(from, &self->img, 0);
		ASSERT_IMPORTED(&self->more[i], from, &self->img, 0);
		from = &self->more[i];
		ASSERT_TRUE(target_sleeps_in(from, 0, __NR_read));
	}
	ASSERT_EQ(0, target_wake(from));
	EXPECT_TRUE(ends_well(from));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

TEST_F(life, image_of_a_copy_is_the_image_of_the_original)
{
	size_t size, size2;
	void *one, *two;

	image_close(&self->img);
	ASSERT_EQ(NULL, image_open(&self->img, STORE_TMPFS));
	START("sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	one = image_bytes(&self->img, &size);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_TRUE(target_sleeps_in(&self->copy, 0, __NR_read));
	ASSERT_EXPORTED(&self->copy, &self->img, 0);
	two = image_bytes(&self->img, &size2);
	/* Ids and the names of pipes differ, not much more */
	EXPECT_EQ(size, size2);
	free(one);
	free(two);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

TARGET(exits_with_42)
{
	ready();
	return 42;
}

/* A kept ghost is copied as a whole, but the importer must be allowed to have that much */
TEST_F(life, kept_ghost_is_not_above_the_limits_of_the_importer)
{
	struct rlimit old, low = { .rlim_cur = 16UL << 30 };

	START("huge_sparse_mapping", NULL);		/* 64 GB */
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &old));
	low.rlim_max = old.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &low));
	EXPECT_EQ(-1, import_target(&self->copy, &self->t, &self->img, 0, NULL));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_NE(NULL, strstr(self->img.report, "limits")) TH_LOG("%s", self->img.report);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &old));
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
}

/* Keep a ghost in a user namespace of its own. Says which descriptor it is; -1: failed. */
static int keep_in_user_namespace(FIXTURE_DATA(life) *self)
{
	if (setgroups(0, NULL) || unshare(CLONE_NEWUSER) ||
	    write_text("/proc/self/setgroups", "deny") ||
	    write_text("/proc/self/uid_map", "0 0 1") ||
	    write_text("/proc/self/gid_map", "0 0 1")) {
		perror("# user namespace");
		return -1;
	}
	if (get_ready(&self->t, "sleeper", NULL) ||
	    !target_sleeps_in(&self->t, ANY_THREAD, __NR_read) ||
	    export_target(&self->t, &self->img, 0)) {
		fprintf(stderr, "# export: %m: %s\n", self->img.report);
		return -1;
	}
	return self->img.fd;
}

TEST_F(life, copy_is_of_the_user_namespace_of_the_importer)
{
	int ready[2], done[2], fd, status;
	struct export_call e;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(done, O_CLOEXEC));
	pid = fork();
	if (!pid) {
		close(done[1]);
		fd = keep_in_user_namespace(self);
		status = write(ready[1], &fd, sizeof(fd)) != sizeof(fd) || read(done[0], &c, 1);
		target_end(&self->t);
		_exit(status);
	}
	close(ready[1]);
	close(done[0]);
	ASSERT_EQ(sizeof(fd), read(ready[0], &fd, sizeof(fd)));
	ASSERT_LE(0, fd);
	self->img.fd = syscall(SYS_pidfd_getfd, pidfd_open_pid(pid), fd, 0);
	ASSERT_LE(0, self->img.fd);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	/* Else it would be refused */
	export_call_init(&e, &self->copy);
	e.args.flags = GHOST_EXPORT_CHECK;
	EXPECT_EQ(0, export_call(&e)) TH_LOG("%s", e.report);
	ASSERT_EQ(0, target_wake(&self->copy));
	EXPECT_TRUE(ends_well(&self->copy));
	close(ready[0]);
	close(done[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(life, kept_ghost_does_not_hold_the_pipes_of_the_original)
{
	struct pollfd poll_out = { .events = POLLIN };

	START("sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	poll_out.fd = dup(self->t.out);
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
	EXPECT_EQ(1, poll(&poll_out, 1, 10000));
	EXPECT_EQ(POLLHUP, poll_out.revents);
	close(poll_out.fd);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
}

/* The image goes on being written when the process, which runs on, is long gone */
TEST_F(life, pipe_of_the_original_ends_while_its_image_is_written)
{
	struct pollfd poll_out = { .events = POLLIN }, poll_image = { .events = POLLIN };
	struct export_call e;
	int fds[2], status;
	pid_t pid;

	START("sleeper", NULL);
	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	ASSERT_LT(0, fcntl(fds[1], F_SETPIPE_SZ, PAGE));
	pid = fork();
	if (!pid) {
		signal(SIGPIPE, SIG_IGN);
		close(fds[0]);
		export_call_init(&e, &self->t);
		export_to_file(&e, fds[1]);
		_exit(export_call(&e) < 0 ? errno : 0);
	}
	close(fds[1]);
	poll_image.fd = fds[0];
	ASSERT_EQ(1, poll(&poll_image, 1, PATIENCE_MS));
	poll_out.fd = dup(self->t.out);
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
	EXPECT_EQ(1, poll(&poll_out, 1, 10000));
	EXPECT_EQ(POLLHUP, poll_out.revents);
	close(poll_out.fd);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	close(fds[0]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(EPIPE, WEXITSTATUS(status));
}

TEST_F(life, copy_is_a_child_with_an_exit_status)
{
	siginfo_t info;

	START("exits_with_42", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	ASSERT_EQ(0, waitid(P_PID, self->copy.pid, &info, WEXITED));
	EXPECT_EQ(CLD_EXITED, info.si_code);
	EXPECT_EQ(42, info.si_status);
	self->copy.pid = 0;
}

TARGET(relatives)
{
	ready();
	say("%d %d %d", getppid(), getpgrp(), getsid(0));
	return 0;
}

TEST_F(life, copy_belongs_to_the_importer)
{
	struct target_options o = { .own_pgrp = true };
	char text[64];

	ASSERT_EQ(NULL, get_ready(&self->t, "relatives", &o));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
	ASSERT_EQ(0, target_wake(&self->copy));
	snprintf(text, sizeof(text), "%d %d %d", getpid(), getpgrp(), getsid(0));
	EXPECT_TRUE(target_says(&self->copy, text));
}

static volatile sig_atomic_t got_signal;

static void note_signal(int sig)
{
	got_signal = sig;
}

TEST_F(life, importer_gets_the_exit_signal_it_asked_for)
{
	struct import_call i;
	int status, null = open("/dev/null", O_RDWR), round;
	pid_t pid;

	START("sleeper", NULL);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	signal(SIGCHLD, note_signal);
	signal(SIGUSR1, note_signal);
	for (round = 0; round < 3; round++) {
		import_call_init(&i);
		import_from_memory(&i, self->img.fd);
		i.args.exit_signal = round == 0 ? SIGCHLD : round == 1 ? SIGUSR1 : 0;
		i.args.fd_map = (uintptr_t)i.map;
		i.args.fd_map_len = 3;
		i.map[0] = (struct ghost_fd_map) { 0, null };
		i.map[1] = (struct ghost_fd_map) { 1, null };
		i.map[2] = (struct ghost_fd_map) { 2, null };
		got_signal = 0;
		pid = import_call(&i);		/* it reads the end of the file and ends */
		ASSERT_LT(0, pid) TH_LOG("%s", i.report);
		if (round)
			EXPECT_EQ(-1, waitpid(pid, &status, WNOHANG));
		ASSERT_EQ(pid, waitpid(pid, &status, __WALL));
		EXPECT_EQ(125, WEXITSTATUS(status));
		EXPECT_EQ(i.args.exit_signal, got_signal);
	}
	signal(SIGCHLD, SIG_DFL);
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
}

TARGET(reads_fd_9)
{
	int fd = make_file(arg, "nine", 100, O_RDONLY);
	char buf[16] = "";

	dup2(fd, 9);
	close(fd);
	ready();
	check(read(9, buf, 5) == 5);
	say("%s", buf[0] == 'h' ? buf : "the file");
	return verdict();
}

TEST_F(life, fd_map_replaces_a_file_that_the_image_carries)
{
	int other[2], up[2];
	struct import_call i;
	char line[64];
	pid_t pid;

	START("reads_fd_9", self->dir);
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EQ(0, pipe2(other, O_CLOEXEC));
	ASSERT_EQ(5, write(other[1], "hello", 5));
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(target_says(&self->t, "the file"));
	EXPECT_TRUE(ends_well(&self->t));
	ASSERT_EQ(0, pipe2(up, O_CLOEXEC));
	import_call_init(&i);
	import_from_memory(&i, self->img.fd);
	i.args.fd_map = (uintptr_t)i.map;
	i.args.fd_map_len = 4;
	i.map[0] = (struct ghost_fd_map) { 0, open("/dev/zero", O_RDONLY) };
	i.map[1] = (struct ghost_fd_map) { 1, up[1] };
	i.map[2] = (struct ghost_fd_map) { 2, 2 };
	i.map[3] = (struct ghost_fd_map) { 9, other[0] };
	pid = import_call(&i);
	ASSERT_LT(0, pid) TH_LOG("%s", i.report);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	memset(line, 0, sizeof(line));
	ASSERT_LT(0, read(up[0], line, sizeof(line) - 1));
	EXPECT_STREQ("hello\nok\n", line);
}

static void *scribbler(void *arg)
{
	volatile uint64_t *p = arg;
	uint64_t n;
	size_t i;

	/* Two halves that are always changed one after the other */
	for (n = 1; !stop_working; n++) {
		for (i = 0; i < MB / 8; i += PAGE / 8) {
			p[i] = n;
			p[i + MB / 8] = n;
		}
	}
	/* Every pair was the same when its page was left */
	for (i = 0; i < MB / 8; i += PAGE / 8)
		if (p[i] != p[i + MB / 8] || p[i] < n - 1)
			wrong("page %lu: %lu and %lu at %lu", i / 512, p[i], p[i + MB / 8], n);
	return NULL;
}

/* Writes to memory must not be lost in the moment of the snapshot */
TARGET(scribbling)
{
	pthread_t thread[3];
	int i;

	for (i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, scribbler,
			       map_anon(2 * MB, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	ready();
	stop_working = true;
	for (i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	return verdict();
}

TEST_F(life, process_that_writes_all_the_time_loses_nothing)
{
	struct image file;
	int i;

	ASSERT_EQ(NULL, image_open(&file, STORE_TMPFS));
	START("scribbling", NULL);
	for (i = 0; i < 10; i++) {
		struct image *img = i & 1 ? &file : &self->img;

		ASSERT_EXPORTED(&self->t, img, 0);
		ASSERT_IMPORTED(&self->copy, &self->t, img, 0);
		sleep_ms(20);
		ASSERT_EXPORTED(&self->t, &self->img, 0);
		ASSERT_EQ(0, target_wake(&self->copy));
		EXPECT_TRUE(ends_well(&self->copy));
	}
	ASSERT_EQ(0, target_wake(&self->t));
	EXPECT_TRUE(ends_well(&self->t));
	image_close(&file);
}

TEST_HARNESS_MAIN
