// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: credentials
 *
 * The new process may become what the importer could become by setgroups(2),
 * setresgid(2), setresuid(2), prctl(2) and capset(2), in this order, and nothing else. The
 * user namespace, the session keyring and the label of a security module stay those of
 * the importer.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/sched/coredump.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/securebits.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#include "ghost.h"

/* Export */

static bool ghost_same_groups(const struct group_info *a, const struct group_info *b)
{
	return a == b || (a->ngroups == b->ngroups &&
			  !memcmp(a->gid, b->gid, a->ngroups * sizeof(a->gid[0])));
}

/* setuid(3) makes an equal struct cred for each thread, so that contents are compared */
static bool ghost_same_cred(const struct cred *a, const struct cred *b)
{
	return uid_eq(a->uid, b->uid) && uid_eq(a->euid, b->euid) &&
	       uid_eq(a->suid, b->suid) && uid_eq(a->fsuid, b->fsuid) &&
	       gid_eq(a->gid, b->gid) && gid_eq(a->egid, b->egid) &&
	       gid_eq(a->sgid, b->sgid) && gid_eq(a->fsgid, b->fsgid) &&
	       a->cap_inheritable.val == b->cap_inheritable.val &&
	       a->cap_permitted.val == b->cap_permitted.val &&
	       a->cap_effective.val == b->cap_effective.val &&
	       a->cap_bset.val == b->cap_bset.val && a->cap_ambient.val == b->cap_ambient.val &&
	       a->securebits == b->securebits && a->user_ns == b->user_ns &&
	       ghost_same_groups(a->group_info, b->group_info);
}

/* A thread of the process of @t with other credentials; 0: there is none */
static pid_t ghost_other_cred(struct task_struct *t, const struct cred *cred)
{
	struct task_struct *other;

	guard(rcu)();
	for_each_thread(t, other) {
		if (READ_ONCE(other->exit_state))
			continue;
		if (!ghost_same_cred(__task_cred(other), cred) ||
		    task_no_new_privs(other) != task_no_new_privs(t))
			return task_pid_vnr(other);
	}
	return 0;
}

int ghost_check_cred(struct ghost *g, struct task_struct *t)
{
	const struct cred *cred = get_task_cred(t);
	pid_t tid = ghost_other_cred(t, cred);
	int ret = 0;

	if (cred->user_ns != current_user_ns())
		ret = ghost_refuse(g, -EOPNOTSUPP,
				   "process: user namespace: not that of the caller");
	if (!ret && tid)
		ret = ghost_refuse(g, -EOPNOTSUPP, "thread %d: own credentials: not supported",
				   tid);
	put_cred(cred);
	return ret;
}

static bool ghost_fill_cred(struct ghost_rec_cred *rec, const struct cred *cred)
{
	struct user_namespace *ns = cred->user_ns;

	*rec = (struct ghost_rec_cred) {
		.uid = cpu_to_le32(from_kuid(ns, cred->uid)),
		.euid = cpu_to_le32(from_kuid(ns, cred->euid)),
		.suid = cpu_to_le32(from_kuid(ns, cred->suid)),
		.fsuid = cpu_to_le32(from_kuid(ns, cred->fsuid)),
		.gid = cpu_to_le32(from_kgid(ns, cred->gid)),
		.egid = cpu_to_le32(from_kgid(ns, cred->egid)),
		.sgid = cpu_to_le32(from_kgid(ns, cred->sgid)),
		.fsgid = cpu_to_le32(from_kgid(ns, cred->fsgid)),
		.cap_inheritable = cpu_to_le64(cred->cap_inheritable.val),
		.cap_permitted = cpu_to_le64(cred->cap_permitted.val),
		.cap_effective = cpu_to_le64(cred->cap_effective.val),
		.cap_bset = cpu_to_le64(cred->cap_bset.val),
		.cap_ambient = cpu_to_le64(cred->cap_ambient.val),
		.securebits = cpu_to_le32(cred->securebits),
		.ngroups = cpu_to_le32(cred->group_info->ngroups),
	};
	return kuid_has_mapping(ns, cred->uid) && kuid_has_mapping(ns, cred->euid) &&
	       kuid_has_mapping(ns, cred->suid) && kuid_has_mapping(ns, cred->fsuid) &&
	       kgid_has_mapping(ns, cred->gid) && kgid_has_mapping(ns, cred->egid) &&
	       kgid_has_mapping(ns, cred->sgid) && kgid_has_mapping(ns, cred->fsgid);
}

static bool ghost_fill_groups(__le32 *groups, const struct cred *cred)
{
	const struct group_info *info = cred->group_info;
	bool ok = true;
	int i;

	for (i = 0; i < info->ngroups; i++) {
		groups[i] = cpu_to_le32(from_kgid(cred->user_ns, info->gid[i]));
		ok = ok && kgid_has_mapping(cred->user_ns, info->gid[i]);
	}
	return ok;
}

static int ghost_put_cred(struct ghost *g, const struct cred *cred, bool no_new_privs)
{
	__le32 *groups __free(kvfree) = kvcalloc(cred->group_info->ngroups, sizeof(*groups),
						 GFP_KERNEL);
	struct ghost_rec_cred rec;

	if (!groups)
		return -ENOMEM;
	if (!ghost_fill_cred(&rec, cred) || !ghost_fill_groups(groups, cred))
		return ghost_refuse(g, -EOPNOTSUPP,
				    "process: an id without a number in the user namespace");
	if (no_new_privs)
		rec.flags = cpu_to_le32(GHOST_CRED_NO_NEW_PRIVS);
	return ghost_put_object(g, GHOST_REC_CRED, 0, &rec, sizeof(rec), groups,
				cred->group_info->ngroups * sizeof(*groups));
}

int ghost_export_cred(struct ghost *g, struct task_struct *t)
{
	const struct cred *cred = get_task_cred(t);
	int ret = ghost_put_cred(g, cred, task_no_new_privs(t));

	put_cred(cred);
	return ret;
}

/* Import: @new is what is made, @old what the importer has */

static int ghost_set_bset(struct ghost *g, struct cred *new, const struct cred *old, u64 bset)
{
	if (bset & ~old->cap_bset.val)
		return ghost_refuse(g, -EPERM,
				    "capability bounding set: exceeds the importer's by %#llx",
				    bset & ~old->cap_bset.val);
	if (bset != old->cap_bset.val && !ns_capable(old->user_ns, CAP_SETPCAP))
		return ghost_refuse(g, -EPERM,
				    "capability bounding set: the importer may not reduce it");
	new->cap_bset.val = bset;
	return 0;
}

static int ghost_set_groups(struct ghost *g, struct cred *new, const struct cred *old,
			    const __le32 *groups, u32 n)
{
	struct group_info *info;
	int ret = 0;
	kgid_t gid;
	u32 i;

	if (n > NGROUPS_MAX)
		return ghost_refuse(g, -EBADMSG, "image: number of groups");
	info = groups_alloc(n);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		gid = make_kgid(old->user_ns, le32_to_cpu(groups[i]));
		if (!gid_valid(gid)) {
			ret = ghost_refuse(g, -EINVAL, "group %u: does not exist for the importer",
					   le32_to_cpu(groups[i]));
			goto out;
		}
		info->gid[i] = gid;
	}
	groups_sort(info);
	if (ghost_same_groups(info, old->group_info))
		goto out;
	if (!may_setgroups()) {
		ret = ghost_refuse(g, -EPERM,
				   "supplementary groups: the importer may not set them");
		goto out;
	}
	set_groups(new, info);
	ret = security_task_fix_setgroups(new, old);
	if (ret)
		ret = ghost_refuse(g, ret, "supplementary groups: refused by a security module");
out:
	put_group_info(info);
	return ret;
}

/* As setresgid(2) and setfsgid(2) */
static int ghost_set_gid(struct ghost *g, const struct cred *old, __le32 id, kgid_t *gid)
{
	*gid = make_kgid(old->user_ns, le32_to_cpu(id));
	if (!gid_valid(*gid))
		return ghost_refuse(g, -EINVAL, "gid %u: does not exist for the importer",
				    le32_to_cpu(id));
	if (gid_eq(*gid, old->gid) || gid_eq(*gid, old->egid) || gid_eq(*gid, old->sgid) ||
	    ns_capable_setid(old->user_ns, CAP_SETGID))
		return 0;
	return ghost_refuse(g, -EPERM, "gid %u: the importer may not take it", le32_to_cpu(id));
}

static int ghost_set_gids(struct ghost *g, struct cred *new, const struct cred *old,
			  const struct ghost_rec_cred *rec)
{
	int ret;

	ret = ghost_set_gid(g, old, rec->gid, &new->gid);
	if (!ret)
		ret = ghost_set_gid(g, old, rec->egid, &new->egid);
	if (!ret)
		ret = ghost_set_gid(g, old, rec->sgid, &new->sgid);
	if (!ret)
		ret = ghost_set_gid(g, old, rec->fsgid, &new->fsgid);
	if (ret)
		return ret;
	ret = security_task_fix_setgid(new, old, LSM_SETID_RES);
	if (ret)
		return ghost_refuse(g, ret, "gid %u: refused by a security module",
				    le32_to_cpu(rec->gid));
	return 0;
}

/* As setresuid(2) and setfsuid(2) */
static int ghost_set_uid(struct ghost *g, const struct cred *old, __le32 id, kuid_t *uid)
{
	*uid = make_kuid(old->user_ns, le32_to_cpu(id));
	if (!uid_valid(*uid))
		return ghost_refuse(g, -EINVAL, "uid %u: does not exist for the importer",
				    le32_to_cpu(id));
	if (uid_eq(*uid, old->uid) || uid_eq(*uid, old->euid) || uid_eq(*uid, old->suid) ||
	    ns_capable_setid(old->user_ns, CAP_SETUID))
		return 0;
	return ghost_refuse(g, -EPERM, "uid %u: the importer may not become this user",
			    le32_to_cpu(id));
}

static int ghost_set_user(struct cred *new, const struct cred *old)
{
	struct user_struct *user;

	if (!uid_eq(new->uid, old->uid)) {
		user = alloc_uid(new->uid);
		if (!user)
			return -EAGAIN;
		free_uid(new->user);
		new->user = user;
	}
	return set_cred_ucounts(new);
}

static int ghost_set_uids(struct ghost *g, struct cred *new, const struct cred *old,
			  const struct ghost_rec_cred *rec)
{
	int ret;

	ret = ghost_set_uid(g, old, rec->uid, &new->uid);
	if (!ret)
		ret = ghost_set_uid(g, old, rec->euid, &new->euid);
	if (!ret)
		ret = ghost_set_uid(g, old, rec->suid, &new->suid);
	if (!ret)
		ret = ghost_set_uid(g, old, rec->fsuid, &new->fsuid);
	if (!ret)
		ret = ghost_set_user(new, old);
	if (ret)
		return ret;
	ret = security_task_fix_setuid(new, old, LSM_SETID_RES);
	if (ret)
		return ghost_refuse(g, ret, "uid %u: refused by a security module",
				    le32_to_cpu(rec->uid));
	return 0;
}

/*
 * setresuid() has left what it leaves, but the importer could have kept more by
 * PR_SET_KEEPCAPS before, unless this is locked.
 */
static int ghost_set_caps(struct ghost *g, struct cred *new, const struct cred *old,
			  const struct ghost_rec_cred *rec)
{
	kernel_cap_t effective = { le64_to_cpu(rec->cap_effective) };
	kernel_cap_t permitted = { le64_to_cpu(rec->cap_permitted) };
	kernel_cap_t inheritable = { le64_to_cpu(rec->cap_inheritable) };
	kernel_cap_t ambient = { le64_to_cpu(rec->cap_ambient) };
	kernel_cap_t kept = new->cap_permitted;
	int ret;

	if ((effective.val | permitted.val | inheritable.val | ambient.val) & ~CAP_VALID_MASK)
		return ghost_refuse(g, -EOPNOTSUPP, "capabilities: not known here");
	if (!(old->securebits & issecure_mask(SECURE_KEEP_CAPS_LOCKED)))
		kept = old->cap_permitted;
	/* They are for the import, which others may have asked for */
	if (g->flags & GHOST_IMPORT_DROP_CAPS)
		kept = CAP_EMPTY_SET;
	if (!cap_issubset(permitted, kept))
		return ghost_refuse(g, -EPERM, "capabilities: exceed the importer's by %#llx",
				    permitted.val & ~kept.val);
	/* Nor may an exec give them back */
	if (g->flags & GHOST_IMPORT_DROP_CAPS && !cap_isclear(inheritable))
		return ghost_refuse(g, -EPERM, "capabilities: to inherit: %#llx", inheritable.val);
	if (!cap_issubset(effective, permitted) ||
	    !cap_issubset(ambient, cap_intersect(permitted, inheritable)))
		return ghost_refuse(g, -EBADMSG, "image: capabilities");
	if (!cap_issubset(ambient, old->cap_ambient) &&
	    old->securebits & issecure_mask(SECURE_NO_CAP_AMBIENT_RAISE))
		return ghost_refuse(g, -EPERM,
				    "ambient capabilities: the importer may not raise them");
	ret = security_capset(new, old, &effective, &inheritable, &permitted);
	if (ret)
		return ghost_refuse(g, ret, "capabilities: the importer may not set them (%pe)",
				    ERR_PTR(ret));
	new->cap_ambient = ambient;
	return 0;
}

/* As PR_SET_SECUREBITS and PR_SET_KEEPCAPS */
static int ghost_set_securebits(struct ghost *g, struct cred *new, const struct cred *old,
				u32 bits)
{
	u32 locks = old->securebits & SECURE_ALL_LOCKS;
	u32 changed = bits ^ old->securebits;

	if (bits & ~(SECURE_ALL_LOCKS | SECURE_ALL_BITS))
		return ghost_refuse(g, -EOPNOTSUPP, "securebits %#x: not known here", bits);
	if (locks & ~bits || (locks >> 1) & changed ||
	    (changed & ~issecure_mask(SECURE_KEEP_CAPS) &&
	     !ns_capable(old->user_ns, CAP_SETPCAP)))
		return ghost_refuse(g, -EPERM, "securebits %#x: the importer may not set them",
				    bits);
	new->securebits = bits;
	return 0;
}

static int ghost_make_cred(struct ghost *g, struct cred *new, const struct ghost_rec_cred *rec,
			   const __le32 *groups)
{
	const struct cred *old = current_cred();
	int ret;

	ret = ghost_set_bset(g, new, old, le64_to_cpu(rec->cap_bset));
	if (!ret)
		ret = ghost_set_groups(g, new, old, groups, le32_to_cpu(rec->ngroups));
	if (!ret)
		ret = ghost_set_gids(g, new, old, rec);
	if (!ret)
		ret = ghost_set_uids(g, new, old, rec);
	if (!ret)
		ret = ghost_set_caps(g, new, old, rec);
	if (!ret)
		ret = ghost_set_securebits(g, new, old, le32_to_cpu(rec->securebits));
	return ret;
}

/* They are only made here, because what follows may need what the importer is allowed to */
int ghost_import_cred(struct ghost *g)
{
	struct ghost_rec_cred rec;
	const __le32 *groups;
	struct cred *new;
	u32 n;
	int ret;

	ret = ghost_get_head(g, GHOST_REC_CRED, &rec, sizeof(rec));
	if (ret)
		return ret;
	n = le32_to_cpu(rec.ngroups);
	if (n > NGROUPS_MAX || le32_to_cpu(rec.flags) & ~GHOST_CRED_NO_NEW_PRIVS || rec.pad ||
	    g->cred)
		return ghost_refuse(g, -EBADMSG, "image: credentials");
	groups = ghost_get_tail(g, sizeof(rec), n * sizeof(*groups));
	if (IS_ERR(groups))
		return PTR_ERR(groups);
	if (n != le32_to_cpu(rec.ngroups))
		return ghost_refuse(g, -EBADMSG, "image: credentials");

	new = prepare_creds();
	if (!new)
		return -ENOMEM;
	ret = ghost_make_cred(g, new, &rec, groups);
	if (ret) {
		abort_creds(new);
		return ret;
	}
	g->cred = new;
	g->no_new_privs = le32_to_cpu(rec.flags) & GHOST_CRED_NO_NEW_PRIVS;
	return 0;
}

/* As set*uid() does: fork() was allowed to the importer, to the user it may be too much */
static void ghost_note_nproc(const struct cred *new)
{
	if (new->ucounts == current_ucounts())
		return;
	if (is_rlimit_overlimit(new->ucounts, UCOUNT_RLIMIT_NPROC, rlimit(RLIMIT_NPROC)) &&
	    new->user != INIT_USER)
		current->flags |= PF_NPROC_EXCEEDED;
	else
		current->flags &= ~PF_NPROC_EXCEEDED;
}

/**
 * ghost_apply_cred() - give current the credentials of the image
 * @g: the import
 * Return: 0, -EBADMSG if the image has none.
 */
int ghost_apply_cred(struct ghost *g)
{
	if (!g->cred)
		return ghost_refuse(g, -EBADMSG, "image: no credentials");
	ghost_note_nproc(g->cred);
	commit_creds((struct cred *)get_cred(g->cred));
	if (g->no_new_privs)
		task_set_no_new_privs(current);
	return 0;
}
