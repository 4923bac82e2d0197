/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_GHOST_H
#define _ASM_X86_GHOST_H

#include <linux/types.h>
#include <uapi/linux/ghost_image.h>

struct ghost;
struct mm_struct;
struct pt_regs;
struct task_struct;
struct vm_area_struct;

#define GHOST_MACHINE		EM_X86_64
#define ghost_arch_machine	ghost_rec_machine_x86
#define ghost_arch_regs		ghost_rec_regs_x86
#define GHOST_REC_ARCH_REGS	GHOST_REC_REGS_X86
#define GHOST_REC_ARCH_XSTATE	GHOST_REC_XSTATE_X86

void arch_ghost_read_machine(struct mm_struct *mm, struct ghost_arch_machine *rec);
int arch_ghost_check_machine(struct ghost *g, const struct ghost_arch_machine *rec);

u32 arch_ghost_xstate_size(void);
int arch_ghost_check_thread(struct ghost *g, struct task_struct *t);
void arch_ghost_read_regs(struct task_struct *t, struct ghost_arch_regs *rec);
void arch_ghost_read_xstate(struct task_struct *t, void *buf, u32 size);
int arch_ghost_check_regs(struct ghost *g, const struct ghost_arch_regs *rec);
int arch_ghost_write_regs(struct pt_regs *regs, const struct ghost_arch_regs *rec);
int arch_ghost_write_xstate(const void *buf, u32 size);

int arch_ghost_check_mm(struct ghost *g, struct mm_struct *mm);
bool arch_ghost_vma_is_own(struct vm_area_struct *vma);
unsigned long arch_ghost_vdso(struct mm_struct *mm);
int arch_ghost_map_vdso(unsigned long addr);
void arch_ghost_leave_mm(void);
void arch_ghost_new_mm(void);

long arch_ghost_call(unsigned int nr, unsigned long a0, unsigned long a1, unsigned long a2,
		     unsigned long a3, unsigned long a4, unsigned long a5);
long arch_ghost_call_again(unsigned int nr);
bool arch_ghost_about_to_restart(const struct pt_regs *regs);

#endif /* _ASM_X86_GHOST_H */
