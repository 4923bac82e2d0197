// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: what is particular to x86-64
 */
#include <linux/cpufeature.h>
#include <linux/crc32c.h>
#include <linux/elf.h>
#include <linux/ghost.h>
#include <linux/mm.h>
#include <linux/mmu_context.h>
#include <linux/regset.h>
#include <linux/sched/task_stack.h>
#include <linux/syscalls.h>
#include <linux/utsname.h>

#include <asm/fpu/api.h>
#include <asm/fpu/regset.h>
#include <asm/fpu/sched.h>
#include <asm/fpu/signal.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xstate.h>
#include <asm/fsgsbase.h>
#include <asm/ghost.h>
#include <asm/pkru.h>
#include <asm/shstk.h>
#include <asm/prctl.h>
#include <asm/proto.h>
#include <asm/syscall.h>
#include <asm/vdso.h>

#include "fpu/context.h"
#include "fpu/internal.h"
#include "fpu/xstate.h"

/* Feature words that CPUID shows to user space; the others are the kernel's own */
static const u8 user_cap_words[] = {
	CPUID_1_EDX, CPUID_1_ECX, CPUID_8000_0001_EDX, CPUID_8000_0001_ECX,
	CPUID_7_0_EBX, CPUID_7_ECX, CPUID_7_EDX, CPUID_7_1_EAX, CPUID_D_1_EAX,
};

/* Bits of them that user space has no use of: they may differ */
static const u16 kernel_caps[] = {
	X86_FEATURE_VME, X86_FEATURE_DE, X86_FEATURE_PSE, X86_FEATURE_MSR, X86_FEATURE_PAE,
	X86_FEATURE_MCE, X86_FEATURE_APIC, X86_FEATURE_MTRR, X86_FEATURE_PGE, X86_FEATURE_MCA,
	X86_FEATURE_PAT, X86_FEATURE_PSE36, X86_FEATURE_PN, X86_FEATURE_DS, X86_FEATURE_ACPI,
	X86_FEATURE_SELFSNOOP, X86_FEATURE_HT, X86_FEATURE_ACC, X86_FEATURE_IA64,
	X86_FEATURE_PBE, X86_FEATURE_DTES64, X86_FEATURE_MWAIT, X86_FEATURE_DSCPL,
	X86_FEATURE_VMX, X86_FEATURE_SMX, X86_FEATURE_EST, X86_FEATURE_TM2, X86_FEATURE_CID,
	X86_FEATURE_SDBG, X86_FEATURE_XTPR, X86_FEATURE_PDCM, X86_FEATURE_PCID,
	X86_FEATURE_DCA, X86_FEATURE_X2APIC, X86_FEATURE_TSC_DEADLINE_TIMER,
	X86_FEATURE_OSXSAVE, X86_FEATURE_HYPERVISOR, X86_FEATURE_SMEP, X86_FEATURE_SMAP,
	X86_FEATURE_INVPCID, X86_FEATURE_CQM, X86_FEATURE_RDT_A, X86_FEATURE_INTEL_PT,
	X86_FEATURE_SVM, X86_FEATURE_NX, X86_FEATURE_GBPAGES, X86_FEATURE_XSAVES,
	X86_FEATURE_UMIP, X86_FEATURE_LA57, X86_FEATURE_BUS_LOCK_DETECT,
	X86_FEATURE_ARCH_CAPABILITIES, X86_FEATURE_CORE_CAPABILITIES,
	X86_FEATURE_SPEC_CTRL, X86_FEATURE_INTEL_STIBP, X86_FEATURE_FLUSH_L1D,
	X86_FEATURE_SPEC_CTRL_SSBD, X86_FEATURE_MD_CLEAR, X86_FEATURE_PCONFIG,
	X86_FEATURE_ARCH_LBR, X86_FEATURE_LAM, X86_FEATURE_SHSTK, X86_FEATURE_IBT,
	X86_FEATURE_XFD, X86_FEATURE_TSX_FORCE_ABORT, X86_FEATURE_HYBRID_CPU,
	X86_FEATURE_ENQCMD, X86_FEATURE_TME, X86_FEATURE_TSC_ADJUST,
};

static void read_caps(__le32 *caps)
{
	unsigned int i;
	u32 word;

	BUILD_BUG_ON(NR_CPUID_WORDS > GHOST_X86_CAP_WORDS);
	for (i = 0; i < ARRAY_SIZE(user_cap_words); i++) {
		word = boot_cpu_data.x86_capability[user_cap_words[i]];
		caps[user_cap_words[i]] = cpu_to_le32(word);
	}
	for (i = 0; i < ARRAY_SIZE(kernel_caps); i++)
		caps[kernel_caps[i] / 32] &= ~cpu_to_le32(BIT(kernel_caps[i] % 32));
}

static u32 vdso_crc(void)
{
	return ~crc32c(~0, vdso_image_64.data, vdso_image_64.size);
}

/**
 * arch_ghost_read_machine() - describe what a process may have come to rely on
 * @mm: its memory
 * @rec: filled
 */
void arch_ghost_read_machine(struct mm_struct *mm, struct ghost_arch_machine *rec)
{
	memset(rec, 0, sizeof(*rec));
	rec->xfeatures = cpu_to_le64(fpu_user_cfg.default_features);
	rec->xstate_size = cpu_to_le32(arch_ghost_xstate_size());
	if (arch_ghost_vdso(mm)) {
		rec->vdso_size = cpu_to_le32(vdso_image_64.size);
		rec->vdso_crc = cpu_to_le32(vdso_crc());
	}
	rec->ncaps = cpu_to_le32(NR_CPUID_WORDS);
	read_caps(rec->caps);
	strscpy_pad(rec->release, init_utsname()->release, sizeof(rec->release));
}

static int check_caps(struct ghost *g, const struct ghost_arch_machine *rec)
{
	__le32 caps[GHOST_X86_CAP_WORDS] = {};
	u32 missing, bit;
	unsigned int i;

	read_caps(caps);
	for (i = 0; i < GHOST_X86_CAP_WORDS; i++) {
		missing = le32_to_cpu(rec->caps[i] & ~caps[i]);
		if (!missing)
			continue;
		bit = i * 32 + __ffs(missing);
		if (i < NR_CPUID_WORDS && x86_cap_flags[bit])
			return ghost_refuse(g, -ENOEXEC, "CPU: no %s here", x86_cap_flags[bit]);
		return ghost_refuse(g, -ENOEXEC, "CPU: no feature %u:%u here", i, bit % 32);
	}
	return 0;
}

/**
 * arch_ghost_check_machine() - can a process of that machine run on this one?
 * @g: the import
 * @rec: what the process relies on
 * Return: 0, or -ENOEXEC with the reason in the report.
 */
int arch_ghost_check_machine(struct ghost *g, const struct ghost_arch_machine *rec)
{
	u64 missing = le64_to_cpu(rec->xfeatures) & ~fpu_user_cfg.default_features;
	int ret;

	if (!cpu_feature_enabled(X86_FEATURE_XSAVE))
		return ghost_refuse(g, -ENOEXEC, "CPU: no XSAVE here");
	/* The name of a feature says more than a bit of XCR0 */
	ret = check_caps(g, rec);
	if (ret)
		return ret;
	if (missing)
		return ghost_refuse(g, -ENOEXEC, "CPU: no XSAVE features %#llx here", missing);
	if (le32_to_cpu(rec->xstate_size) > arch_ghost_xstate_size())
		return ghost_refuse(g, -ENOEXEC, "CPU: XSAVE area of %u bytes, %u here",
				    le32_to_cpu(rec->xstate_size), arch_ghost_xstate_size());
	if (rec->vdso_size &&
	    (!vdso64_enabled || le32_to_cpu(rec->vdso_size) != vdso_image_64.size ||
	     le32_to_cpu(rec->vdso_crc) != vdso_crc()))
		return ghost_refuse(g, -ENOEXEC, "vDSO: of another kernel (%.63s)", rec->release);
	return 0;
}

/**
 * arch_ghost_xstate_size() - bytes of a thread's FPU state in an image
 * Return: the size of the XSAVE area in its standard format, or of what stands for it.
 */
u32 arch_ghost_xstate_size(void)
{
	return cpu_feature_enabled(X86_FEATURE_XSAVE) ? fpu_user_cfg.max_size : 0;
}

static int refuse_thread(struct ghost *g, struct task_struct *t, const char *what)
{
	return ghost_refuse(g, -EOPNOTSUPP, "thread %d: %s: not supported",
			    task_pid_vnr(t), what);
}

/* Permissions are kept by the leader, which may be gone if the thread has ended */
static bool has_dynamic_features(struct task_struct *t)
{
	struct fpu *fpu;
	u64 perm = 0;

	rcu_read_lock();
	if (pid_alive(t)) {
		fpu = &t->group_leader->thread.fpu;
		perm = fpu->perm.__state_perm | fpu->guest_perm.__state_perm;
	}
	rcu_read_unlock();
	return perm & XFEATURE_MASK_USER_DYNAMIC;
}

/**
 * arch_ghost_check_thread() - refuse what is not carried of a thread
 * @g: the export or check
 * @t: the thread; may be running in a check
 * Return: 0 or -EOPNOTSUPP with the reason in the report.
 */
int arch_ghost_check_thread(struct ghost *g, struct task_struct *t)
{
	int ret = 0;

	if (test_tsk_thread_flag(t, TIF_ADDR32) || !user_64bit_mode(task_pt_regs(t)))
		ret = ret ?: refuse_thread(g, t, "32-bit code");
	if (!cpu_feature_enabled(X86_FEATURE_XSAVE))
		ret = ret ?: refuse_thread(g, t, "FPU state of a CPU without XSAVE");
	if (memchr_inv(t->thread.tls_array, 0, sizeof(t->thread.tls_array)))
		ret = ret ?: refuse_thread(g, t, "TLS descriptor in the GDT");
	if (t->thread.io_bitmap || t->thread.iopl_emul)
		ret = ret ?: refuse_thread(g, t, "I/O permissions");
	if (memchr_inv(t->thread.ptrace_bps, 0, sizeof(t->thread.ptrace_bps)))
		ret = ret ?: refuse_thread(g, t, "hardware breakpoint");
	if (task_thread_info(t)->status & TS_COMPAT)
		ret = ret ?: refuse_thread(g, t, "32-bit system call");
	if (test_tsk_thread_flag(t, TIF_SPEC_L1D_FLUSH))
		ret = ret ?: refuse_thread(g, t, "PR_SPEC_L1D_FLUSH");
	if (test_tsk_thread_flag(t, TIF_NOTSC))
		ret = ret ?: refuse_thread(g, t, "PR_SET_TSC");
	if (test_tsk_thread_flag(t, TIF_NOCPUID))
		ret = ret ?: refuse_thread(g, t, "ARCH_SET_CPUID");
	if (has_dynamic_features(t))
		ret = ret ?: refuse_thread(g, t, "AMX permission");
#ifdef CONFIG_X86_USER_SHADOW_STACK
	if (t->thread.features || t->thread.features_locked)
		ret = ret ?: refuse_thread(g, t, "shadow stack");
#endif
	return ret;
}

/**
 * arch_ghost_read_regs() - read general registers
 * @t: current, or a thread that is switched out
 * @rec: filled
 */
void arch_ghost_read_regs(struct task_struct *t, struct ghost_arch_regs *rec)
{
	const struct pt_regs *regs = task_pt_regs(t);
	u16 ds = t->thread.ds, es = t->thread.es;
	u16 fs = t->thread.fsindex, gs = t->thread.gsindex;
	/* A base that goes with a selector is not looked up: selectors are refused */
	u64 fs_base = t->thread.fsbase, gs_base = t->thread.gsbase;

	if (t == current) {
		fs_base = x86_fsbase_read_task(t);
		gs_base = x86_gsbase_read_task(t);
		savesegment(ds, ds);
		savesegment(es, es);
		savesegment(fs, fs);
		savesegment(gs, gs);
	}
	*rec = (struct ghost_arch_regs) {
		.r15 = cpu_to_le64(regs->r15), .r14 = cpu_to_le64(regs->r14),
		.r13 = cpu_to_le64(regs->r13), .r12 = cpu_to_le64(regs->r12),
		.bp = cpu_to_le64(regs->bp), .bx = cpu_to_le64(regs->bx),
		.r11 = cpu_to_le64(regs->r11), .r10 = cpu_to_le64(regs->r10),
		.r9 = cpu_to_le64(regs->r9), .r8 = cpu_to_le64(regs->r8),
		.ax = cpu_to_le64(regs->ax), .cx = cpu_to_le64(regs->cx),
		.dx = cpu_to_le64(regs->dx), .si = cpu_to_le64(regs->si),
		.di = cpu_to_le64(regs->di), .orig_ax = cpu_to_le64(regs->orig_ax),
		.ip = cpu_to_le64(regs->ip), .cs = cpu_to_le64(regs->cs),
		.flags = cpu_to_le64(regs->flags), .sp = cpu_to_le64(regs->sp),
		.ss = cpu_to_le64(regs->ss),
		.fs_base = cpu_to_le64(fs_base),
		.gs_base = cpu_to_le64(gs_base),
		.ds = cpu_to_le64(ds), .es = cpu_to_le64(es),
		.fs = cpu_to_le64(fs), .gs = cpu_to_le64(gs),
	};
}

/**
 * arch_ghost_read_xstate() - read FPU registers
 * @t: current, or a thread that is switched out
 * @buf: filled with the XSAVE area in its standard format
 * @size: arch_ghost_xstate_size()
 */
void arch_ghost_read_xstate(struct task_struct *t, void *buf, u32 size)
{
	struct membuf to = { .p = buf, .left = size };

	if (!size)
		return;
	/* thread.pkru is only right of a thread that is switched out */
	if (t == current)
		t->thread.pkru = read_pkru();
	xstateregs_get(t, NULL, to);
}

#define GHOST_EFLAGS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |	\
			 X86_EFLAGS_SF | X86_EFLAGS_TF | X86_EFLAGS_DF | X86_EFLAGS_OF |	\
			 X86_EFLAGS_RF | X86_EFLAGS_AC | X86_EFLAGS_ID)

static bool data_selector_ok(__le64 sel)
{
	return !sel || le64_to_cpu(sel) == __USER_DS;
}

/**
 * arch_ghost_check_regs() - refuse registers that no thread can have
 * @g: the import
 * @rec: the registers
 * Return: 0, or -EBADMSG or -EOPNOTSUPP with the reason in the report.
 */
int arch_ghost_check_regs(struct ghost *g, const struct ghost_arch_regs *rec)
{
	if (le64_to_cpu(rec->ip) >= TASK_SIZE_MAX)
		return ghost_refuse(g, -EBADMSG, "registers: ip %#llx", le64_to_cpu(rec->ip));
	if (le64_to_cpu(rec->fs_base) >= TASK_SIZE_MAX ||
	    le64_to_cpu(rec->gs_base) >= TASK_SIZE_MAX)
		return ghost_refuse(g, -EBADMSG, "registers: segment base");
	if (le64_to_cpu(rec->cs) != __USER_CS || le64_to_cpu(rec->ss) != __USER_DS ||
	    !data_selector_ok(rec->ds) || !data_selector_ok(rec->es) ||
	    rec->fs || rec->gs)
		return ghost_refuse(g, -EOPNOTSUPP, "registers: segment selector");
	if ((s64)le64_to_cpu(rec->orig_ax) < -1 || (s64)le64_to_cpu(rec->orig_ax) > INT_MAX)
		return ghost_refuse(g, -EBADMSG, "registers: orig_ax");
	return 0;
}

/**
 * arch_ghost_write_regs() - give current its registers
 * @regs: its user registers
 * @rec: checked by arch_ghost_check_regs()
 * Return: 0 or a negative errno.
 */
int arch_ghost_write_regs(struct pt_regs *regs, const struct ghost_arch_regs *rec)
{
	int ret;

	/* Without FSGSBASE the selector goes with the base: zero, as after exec */
	ret = do_arch_prctl_64(current, ARCH_SET_FS, le64_to_cpu(rec->fs_base));
	if (!ret)
		ret = do_arch_prctl_64(current, ARCH_SET_GS, le64_to_cpu(rec->gs_base));
	if (ret)
		return ret;
	loadsegment(ds, le64_to_cpu(rec->ds));
	loadsegment(es, le64_to_cpu(rec->es));

	regs->r15 = le64_to_cpu(rec->r15);
	regs->r14 = le64_to_cpu(rec->r14);
	regs->r13 = le64_to_cpu(rec->r13);
	regs->r12 = le64_to_cpu(rec->r12);
	regs->bp = le64_to_cpu(rec->bp);
	regs->bx = le64_to_cpu(rec->bx);
	regs->r11 = le64_to_cpu(rec->r11);
	regs->r10 = le64_to_cpu(rec->r10);
	regs->r9 = le64_to_cpu(rec->r9);
	regs->r8 = le64_to_cpu(rec->r8);
	regs->ax = le64_to_cpu(rec->ax);
	regs->cx = le64_to_cpu(rec->cx);
	regs->dx = le64_to_cpu(rec->dx);
	regs->si = le64_to_cpu(rec->si);
	regs->di = le64_to_cpu(rec->di);
	regs->orig_ax = le64_to_cpu(rec->orig_ax);
	regs->ip = le64_to_cpu(rec->ip);
	regs->sp = le64_to_cpu(rec->sp);
	regs->flags = (le64_to_cpu(rec->flags) & GHOST_EFLAGS) | X86_EFLAGS_FIXED | X86_EFLAGS_IF;
	regs->cs = __USER_CS;
	regs->ss = __USER_DS;
	return 0;
}

/**
 * arch_ghost_write_xstate() - give current its FPU registers
 * @buf: XSAVE area in standard format
 * @size: bytes of it
 * Return: 0, or -EINVAL if it is no valid one for this CPU.
 */
int arch_ghost_write_xstate(const void *buf, u32 size)
{
	struct fpu *fpu = &current->thread.fpu;
	u32 pkru = read_pkru();
	int ret;

	if (size != arch_ghost_xstate_size())
		return -EINVAL;
	if (!size)
		return 0;

	/*
	 * The new state is made in memory and loaded on the way out to user mode.
	 * What is in the registers now (supervisor state) is saved there first.
	 */
	fpregs_lock();
	if (!test_thread_flag(TIF_NEED_FPU_LOAD)) {
		save_fpregs_to_fpstate(fpu);
		set_thread_flag(TIF_NEED_FPU_LOAD);
	}
	fpregs_deactivate(fpu);
	__fpu_invalidate_fpregs_state(fpu);
	ret = copy_uabi_from_kernel_to_xstate(fpu->fpstate, buf, &pkru);
	if (!ret)
		write_pkru(pkru);
	fpregs_unlock();
	return ret;
}

/**
 * arch_ghost_check_mm() - refuse what is not carried of an address space
 * @g: the export or check
 * @mm: the address space
 * Return: 0 or -EOPNOTSUPP with the reason in the report.
 */
int arch_ghost_check_mm(struct ghost *g, struct mm_struct *mm)
{
	int ret = 0;

#ifdef CONFIG_MODIFY_LDT_SYSCALL
	if (READ_ONCE(mm->context.ldt))
		ret = ret ?: ghost_refuse(g, -EOPNOTSUPP, "memory: LDT: not supported");
#endif
	if (mm->context.vdso && mm->context.vdso_image != &vdso_image_64)
		ret = ret ?: ghost_refuse(g, -EOPNOTSUPP, "memory: 32-bit vDSO: not supported");
#ifdef CONFIG_ADDRESS_MASKING
	if (mm_lam_cr3_mask(mm) || test_bit(MM_CONTEXT_FORCE_TAGGED_SVA, &mm->context.flags))
		ret = ret ?: ghost_refuse(g, -EOPNOTSUPP, "memory: LAM: not supported");
#endif
#ifdef CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS
	if (cpu_feature_enabled(X86_FEATURE_OSPKE) && mm->context.pkey_allocation_map & ~1)
		ret = ret ?: ghost_refuse(g, -EOPNOTSUPP,
					  "memory: protection keys: not supported");
#endif
	return ret;
}

/* Is there a mapping of the kernel's own, as it was made? Or has something taken its place? */
static bool is_special(struct mm_struct *mm, unsigned long start, unsigned long end)
{
	struct vm_area_struct *vma = vma_lookup(mm, start);

	return vma && vma->vm_start == start && vma->vm_end == end && !vma->vm_file &&
	       !vma->anon_vma && vma->vm_ops && vma->vm_ops->name;
}

/* Are the vDSO and its data where they belong, both? munmap() does not forget the address. */
static bool has_vdso(struct mm_struct *mm)
{
	unsigned long text = (unsigned long)mm->context.vdso;

	mmap_assert_locked(mm);
	return mm->context.vdso_image == &vdso_image_64 &&
	       is_special(mm, text, text + vdso_image_64.size) &&
	       is_special(mm, text + vdso_image_64.sym_vvar_start, text);
}

/**
 * arch_ghost_vma_is_own() - is this a mapping that the kernel made for itself?
 * @vma: the mapping; mmap_lock is held
 * Return: true of the vDSO and its data, at the place they belong to.
 */
bool arch_ghost_vma_is_own(struct vm_area_struct *vma)
{
	unsigned long text = (unsigned long)vma->vm_mm->context.vdso;

	return (vma->vm_start == text || vma->vm_end == text) && has_vdso(vma->vm_mm);
}

/**
 * arch_ghost_vdso() - where is the vDSO?
 * @mm: an address space; mmap_lock is not held
 * Return: address of its text, 0 if it has none.
 */
unsigned long arch_ghost_vdso(struct mm_struct *mm)
{
	unsigned long text;

	mmap_read_lock(mm);
	text = has_vdso(mm) ? (unsigned long)mm->context.vdso : 0;
	mmap_read_unlock(mm);
	return text;
}

/**
 * arch_ghost_map_vdso() - map the vDSO of current
 * @addr: wanted address of its text
 * Return: 0, or -EEXIST if there is no room at that address.
 */
int arch_ghost_map_vdso(unsigned long addr)
{
	unsigned long start = addr + vdso_image_64.sym_vvar_start;
	int ret;

	if (!PAGE_ALIGNED(addr) || start > addr || addr >= TASK_SIZE_MAX)
		return -EINVAL;
	ret = map_vdso_once(&vdso_image_64, start);
	if (!ret && (unsigned long)current->mm->context.vdso != addr)
		ret = -EEXIST;
	return ret;
}

/**
 * arch_ghost_leave_mm() - current is about to leave the address space of the importer
 */
void arch_ghost_leave_mm(void)
{
	/* It was made with a shadow stack there, if the importer has one */
	shstk_free(current);
	reset_thread_features();
}

/**
 * arch_ghost_new_mm() - current has got an empty address space: make it a 64-bit one
 */
void arch_ghost_new_mm(void)
{
	memset(current->thread.tls_array, 0, sizeof(current->thread.tls_array));
	current->thread.iopl_emul = 0;
	arch_setup_new_exec();
	set_personality_64bit();
}

/**
 * arch_ghost_call() - run a system call's own code, with all its checks, on current
 * @nr: system call number
 * @a0: argument
 * @a1: argument
 * @a2: argument
 * @a3: argument
 * @a4: argument
 * @a5: argument
 * Return: what the call returns.
 */
long arch_ghost_call(unsigned int nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4, unsigned long a5)
{
	struct pt_regs regs = {
		.di = a0, .si = a1, .dx = a2, .r10 = a3, .r8 = a4, .r9 = a5,
		.orig_ax = nr,
	};

	return x64_sys_call(&regs, nr);
}

/**
 * arch_ghost_call_again() - repeat a system call of current with the same arguments
 * @nr: system call number
 * Return: what the call returns.
 */
long arch_ghost_call_again(unsigned int nr)
{
	return x64_sys_call(current_pt_regs(), nr);
}

/**
 * arch_ghost_about_to_restart() - may the next instruction be restart_syscall()?
 * @regs: user registers of a thread
 * Return: true if so; it may be true by chance.
 */
bool arch_ghost_about_to_restart(const struct pt_regs *regs)
{
	return regs->ax == __NR_restart_syscall;
}
