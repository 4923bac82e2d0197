// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: tests of shared objects and of the report
 */
#include <linux/file.h>
#include <linux/shmem_fs.h>
#include <kunit/test.h>

#include "../ghost.h"

struct ref_test {
	struct ghost *g;
	struct file *a, *b;
};

static int ref_init_mode(struct kunit *test, enum ghost_mode mode)
{
	struct ref_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	test->priv = t;
	t->g = ghost_alloc(mode);
	t->a = shmem_file_setup("ghost_a", 0, 0);
	t->b = shmem_file_setup("ghost_b", 0, 0);
	return !t->g || IS_ERR(t->a) || IS_ERR(t->b) ? -ENOMEM : 0;
}

static int export_init(struct kunit *test)
{
	return ref_init_mode(test, GHOST_MODE_EXPORT);
}

static int import_init(struct kunit *test)
{
	return ref_init_mode(test, GHOST_MODE_IMPORT);
}

static void ref_exit(struct kunit *test)
{
	struct ref_test *t = test->priv;

	if (!t)
		return;
	ghost_put_ghost(t->g);
	if (!IS_ERR_OR_NULL(t->a))
		fput(t->a);
	if (!IS_ERR_OR_NULL(t->b))
		fput(t->b);
}

static void file_gets_one_number(struct kunit *test)
{
	struct ref_test *t = test->priv;
	u32 a, b, again;

	KUNIT_EXPECT_EQ(test, ghost_ref_find(t->g, t->a, &a), -ENOENT);
	KUNIT_EXPECT_EQ(test, ghost_ref_add(t->g, t->a, &a), 0);
	KUNIT_EXPECT_EQ(test, ghost_ref_add(t->g, t->b, &b), 0);
	KUNIT_EXPECT_NE(test, a, 0);
	KUNIT_EXPECT_NE(test, b, 0);
	KUNIT_EXPECT_NE(test, a, b);
	KUNIT_EXPECT_EQ(test, ghost_ref_add(t->g, t->a, &again), 1);
	KUNIT_EXPECT_EQ(test, a, again);
	again = 0;
	KUNIT_EXPECT_EQ(test, ghost_ref_find(t->g, t->a, &again), 0);
	KUNIT_EXPECT_EQ(test, a, again);
}

static void numbered_file_is_pinned_once(struct kunit *test)
{
	struct ref_test *t = test->priv;
	u32 ref;

	KUNIT_EXPECT_EQ(test, ghost_ref_add(t->g, t->a, &ref), 0);
	KUNIT_EXPECT_EQ(test, ghost_ref_add(t->g, t->a, &ref), 1);
	KUNIT_EXPECT_EQ(test, file_count(t->a), 2);
	ghost_ref_release(t->g);
	KUNIT_EXPECT_EQ(test, file_count(t->a), 1);
	KUNIT_EXPECT_EQ(test, ghost_ref_find(t->g, t->a, &ref), -ENOENT);
	ghost_ref_release(t->g);
	KUNIT_EXPECT_EQ(test, file_count(t->a), 1);
}

static void last_reference_lets_go_of_the_files(struct kunit *test)
{
	struct ref_test *t = test->priv;
	u32 ref;

	KUNIT_EXPECT_EQ(test, ghost_ref_add(t->g, t->a, &ref), 0);
	ghost_get_ghost(t->g);
	ghost_put_ghost(t->g);
	KUNIT_EXPECT_EQ(test, file_count(t->a), 2);
	ghost_put_ghost(t->g);
	t->g = NULL;
	KUNIT_EXPECT_EQ(test, file_count(t->a), 1);
}

static struct kunit_case export_cases[] = {
	KUNIT_CASE(file_gets_one_number),
	KUNIT_CASE(numbered_file_is_pinned_once),
	KUNIT_CASE(last_reference_lets_go_of_the_files),
	{}
};

static void number_stands_for_its_file(struct kunit *test)
{
	struct ref_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 7, t->a), 0);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 3, t->b), 0);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 4, t->b), 0);
	KUNIT_EXPECT_PTR_EQ(test, ghost_ref_file(t->g, 7), t->a);
	KUNIT_EXPECT_PTR_EQ(test, ghost_ref_file(t->g, 3), t->b);
	KUNIT_EXPECT_PTR_EQ(test, ghost_ref_file(t->g, 4), t->b);
	KUNIT_EXPECT_EQ(test, file_count(t->b), 3);
	ghost_ref_release(t->g);
	KUNIT_EXPECT_EQ(test, file_count(t->b), 1);
}

static void number_defined_twice_is_refused(struct kunit *test)
{
	struct ref_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 7, t->a), 0);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 7, t->b), -EBADMSG);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 7, t->a), -EBADMSG);
	KUNIT_EXPECT_PTR_EQ(test, ghost_ref_file(t->g, 7), t->a);
	KUNIT_EXPECT_EQ(test, file_count(t->a), 2);
	KUNIT_EXPECT_EQ(test, file_count(t->b), 1);
}

static void unknown_number_stands_for_nothing(struct kunit *test)
{
	struct ref_test *t = test->priv;

	KUNIT_EXPECT_NULL(test, ghost_ref_file(t->g, 1));
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 1, t->a), 0);
	KUNIT_EXPECT_NULL(test, ghost_ref_file(t->g, 0));
	KUNIT_EXPECT_NULL(test, ghost_ref_file(t->g, 2));
	KUNIT_EXPECT_NULL(test, ghost_ref_file(t->g, U32_MAX));
}

static void impossible_numbers_are_refused(struct kunit *test)
{
	struct ref_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, 0, t->a), -EBADMSG);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, U32_MAX, t->a), -EBADMSG);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, SZ_4M + 1, t->a), -EBADMSG);
	KUNIT_EXPECT_EQ(test, ghost_ref_set(t->g, SZ_4M, t->a), 0);
}

static void number_of_files_is_bounded(struct kunit *test)
{
	struct ref_test *t = test->priv;
	u32 ref;
	int ret = 0;

	for (ref = 1; !ret && ref < SZ_4M; ref++)
		ret = ghost_ref_set(t->g, ref, t->a);
	KUNIT_EXPECT_EQ(test, ret, -EMFILE);
	KUNIT_EXPECT_EQ(test, file_count(t->a), ref - 1);
	ghost_ref_release(t->g);
	KUNIT_EXPECT_EQ(test, file_count(t->a), 1);
}

static struct kunit_case import_cases[] = {
	KUNIT_CASE(number_stands_for_its_file),
	KUNIT_CASE(number_defined_twice_is_refused),
	KUNIT_CASE(unknown_number_stands_for_nothing),
	KUNIT_CASE(impossible_numbers_are_refused),
	KUNIT_CASE(number_of_files_is_bounded),
	{}
};

static void export_reports_its_first_refusal(struct kunit *test)
{
	struct ghost *g = ((struct ref_test *)test->priv)->g;

	KUNIT_EXPECT_STREQ(test, g->report, "");
	KUNIT_EXPECT_EQ(test, ghost_refuse(g, -EOPNOTSUPP, "fd %d: %s", 7, "io_uring"),
			-EOPNOTSUPP);
	KUNIT_EXPECT_EQ(test, ghost_refuse(g, -EBUSY, "traced"), -EBUSY);
	KUNIT_EXPECT_STREQ(test, g->report, "fd 7: io_uring");
	KUNIT_EXPECT_EQ(test, g->refused, 2);
}

static void long_refusal_is_cut(struct kunit *test)
{
	struct ghost *g = ((struct ref_test *)test->priv)->g;
	char *name = kunit_kzalloc(test, 2 * GHOST_REPORT_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, name);
	memset(name, 'x', 2 * GHOST_REPORT_SIZE - 1);
	KUNIT_EXPECT_EQ(test, ghost_refuse(g, -EBUSY, "%s", name), -EBUSY);
	KUNIT_EXPECT_EQ(test, strlen(g->report), GHOST_REPORT_SIZE - 1);
}

static void report_has_no_control_characters(struct kunit *test)
{
	struct ghost *g = ((struct ref_test *)test->priv)->g;

	ghost_refuse(g, -EBUSY, "%s: \xc3\xa4", "a\nb\033[2Jc\177");
	KUNIT_EXPECT_STREQ(test, g->report, "a?b?[2Jc?: \xc3\xa4");
}

static struct kunit_case report_cases[] = {
	KUNIT_CASE(export_reports_its_first_refusal),
	KUNIT_CASE(long_refusal_is_cut),
	KUNIT_CASE(report_has_no_control_characters),
	{}
};

static int check_init(struct kunit *test)
{
	return ref_init_mode(test, GHOST_MODE_CHECK);
}

static void check_reports_all_refusals(struct kunit *test)
{
	struct ghost *g = ((struct ref_test *)test->priv)->g;

	KUNIT_EXPECT_EQ(test, ghost_refuse(g, -EOPNOTSUPP, "fd %d: %s", 7, "a\nb"), 0);
	KUNIT_EXPECT_EQ(test, ghost_refuse(g, -EBUSY, "traced"), 0);
	KUNIT_EXPECT_STREQ(test, g->report, "fd 7: a?b\ntraced\n");
	KUNIT_EXPECT_EQ(test, g->refused, 2);
}

static void report_that_is_full_says_how_many_more(struct kunit *test)
{
	struct ghost *g = ((struct ref_test *)test->priv)->g;
	char *more, last[32];
	size_t end;
	int i;

	for (i = 0; i < 1000; i++)
		ghost_refuse(g, -EOPNOTSUPP, "fd %d: not supported", i);
	KUNIT_EXPECT_EQ(test, g->refused, 1000);
	more = strstr(g->report, "and ");
	KUNIT_ASSERT_NOT_NULL(test, more);
	end = strlen(g->report);
	KUNIT_EXPECT_LT(test, end, GHOST_REPORT_SIZE);
	/* Whole lines, then how many there would have been */
	for (i = 0, end = 0; g->report + end < more; i++)
		end += strcspn(g->report + end, "\n") + 1;
	KUNIT_EXPECT_PTR_EQ(test, g->report + end, more);
	KUNIT_EXPECT_EQ(test, i + g->unreported, 1000);
	KUNIT_EXPECT_GT(test, g->unreported, 0);
	snprintf(last, sizeof(last), "and %u more\n", 1000 - i);
	KUNIT_EXPECT_STREQ(test, more, last);
}

static struct kunit_case check_cases[] = {
	KUNIT_CASE(check_reports_all_refusals),
	KUNIT_CASE(report_that_is_full_says_how_many_more),
	{}
};

static struct kunit_suite export_suite = {
	.name = "ghost_ref_export",
	.init = export_init,
	.exit = ref_exit,
	.test_cases = export_cases,
};

static struct kunit_suite import_suite = {
	.name = "ghost_ref_import",
	.init = import_init,
	.exit = ref_exit,
	.test_cases = import_cases,
};

static struct kunit_suite report_suite = {
	.name = "ghost_report",
	.init = export_init,
	.exit = ref_exit,
	.test_cases = report_cases,
};

static struct kunit_suite check_suite = {
	.name = "ghost_report_check",
	.init = check_init,
	.exit = ref_exit,
	.test_cases = check_cases,
};

kunit_test_suites(&export_suite, &import_suite, &report_suite, &check_suite);
