// SPDX-License-Identifier: GPL-2.0
/*
 * Exports and imports in a loop, while the process does everything that is in their way:
 * clone, fork, vfork, exec, mmap, signals, stop and continue, exit; while several want to
 * export it, and while exporter, importer and process are killed.
 *
 * Each storm lasts GHOST_STORM_SECONDS (10).
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "../kselftest_harness.h"
#include "ghost_test.h"

#define PAGE	4096UL

/*
 * What a process does in a storm. Each of these runs in threads of its own and says so if
 * something is not as it must be.
 */

static volatile sig_atomic_t handled;

static void count_signal(int sig)
{
	handled++;
}

static void *return_at_once(void *arg)
{
	return arg;
}

static void *threads_come_and_go(void *unused)
{
	pthread_t thread[4];
	void *ret;
	long i;

	for (;;) {
		for (i = 0; i < 4; i++)
			if (pthread_create(&thread[i], NULL, return_at_once, (void *)i))
				break;
		while (--i >= 0) {
			pthread_join(thread[i], &ret);
			if (ret != (void *)i)
				wrong("thread %ld returns %p", i, ret);
		}
	}
	return unused;
}

/* With a child it cannot be exported */
static int pause_ms;

static void childless(void)
{
	sleep_ms(2 + rand() % (2 * pause_ms + 1));
}

static void *forks(void *unused)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = fork();
		if (!pid)
			_exit(3);
		if (pid < 0) {
			sleep_ms(1);
			continue;
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 3)
			wrong("child %d ends with %#x", pid, status);
		childless();
	}
	return unused;
}

static void *vforks(void *unused)
{
	int status;
	pid_t pid;

	for (;;) {
		pid = vfork();
		if (!pid)
			_exit(4);
		if (pid > 0 && (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 4))
			wrong("child of vfork ends with %#x", status);
		childless();
	}
	return unused;
}

static void *mappings_come_and_go(void *unused)
{
	unsigned char n = 0;
	size_t i, len;
	char *p, *q;

	for (;; n++) {
		len = (1 + n % 64) * PAGE;
		p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			continue;
		memset(p, n, len);
		if (n % 4 == 1)
			mprotect(p, PAGE, PROT_READ);
		if (n % 4 == 2)
			madvise(p, len, MADV_NOHUGEPAGE);
		if (n % 4 == 3) {
			q = mremap(p, len, len * 2, MREMAP_MAYMOVE);
			if (q != MAP_FAILED) {
				p = q;
				memset(p + len, n, len);
				len *= 2;
			}
		}
		for (i = 0; i < len; i += 512)
			if (p[i] != (char)n)
				wrong("memory at %zu is %d instead of %d", i, p[i], n);
		munmap(p, len);
	}
	return unused;
}

/*
 * A copy has other ids. One that is made between getting an id and using it signals the
 * original instead of itself: such signals are known by their sender or value, and only what
 * was sent with the ids of before and after is sure to have come here.
 */
static bool signal_self(int sig, int value)
{
	pid_t pid = getpid();
	siginfo_t info = { .si_signo = sig, .si_code = SI_QUEUE, .si_pid = pid };

	info.si_value.sival_int = value;
	if (!syscall(SYS_rt_tgsigqueueinfo, pid, gettid(), sig, &info))
		return getpid() == pid;
	if (errno != ESRCH)
		wrong("rt_tgsigqueueinfo: %m");
	return false;
}

static __thread volatile sig_atomic_t handled_value;

static void note_value(int sig, siginfo_t *info, void *context)
{
	if (info->si_value.sival_int > handled_value)
		handled_value = info->si_value.sival_int;
}

/* Those with other values are for another, or left from a copy in the making */
static bool is_queued(const sigset_t *set, int value)
{
	struct timespec ts = { 0, 100000 };
	siginfo_t info;

	while (sigtimedwait(set, &info, &ts) > 0)
		if (info.si_value.sival_int == value)
			return true;
	return false;
}

static atomic_int numbers;

static void *signals_to_itself(void *unused)
{
	struct sigaction sa = { .sa_sigaction = note_value, .sa_flags = SA_SIGINFO };
	struct timespec ts = { 0, 100000 };
	sigset_t set;
	int value;

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (;;) {
		value = ++numbers;
		if (signal_self(SIGUSR1, value) && handled_value != value)
			wrong("signal %d has not come, but %d", value, handled_value);
		value = ++numbers;
		if (!signal_self(SIGRTMIN, value))
			continue;
		nanosleep(&ts, NULL);
		if (!is_queued(&set, value))
			wrong("queued signal %d: %m", value);
	}
	return unused;
}

/* Short sleeps: none may be interrupted, since no signal comes here */
static void *sleeps(void *unused)
{
	struct timespec ts = { 0, 300000 };
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	for (;;)
		if (nanosleep(&ts, NULL))
			wrong("nanosleep: %m");
	return unused;
}

static uint64_t compute(void)
{
	uint64_t x = 1, i;

	for (i = 0; i < 200000; i++)
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
	return x;
}

static void *computes(void *unused)
{
	uint64_t first = compute(), now;

	for (;;) {
		now = compute();
		if (now != first)
			wrong("%lx instead of %lx", now, first);
	}
	return unused;
}

static void start(void *(*run)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, arg))
		wrong("no thread: %m");
}

/* The end of the pipe is the end of the process */
static void until_told(void)
{
	char c;

	while (read(0, &c, 1) < 0)
		wrong("read: %m");
}

#define CHAOS(_name, ...)						\
	TARGET(_name)							\
	{								\
		void *(*run[])(void *) = { __VA_ARGS__ };		\
		unsigned int i;						\
									\
		pause_ms = arg ? atoi(arg) : 0;				\
		for (i = 0; i < ARRAY_SIZE(run); i++)			\
			start(run[i], NULL);				\
		say("ready");						\
		until_told();						\
		_exit(verdict());					\
	}

CHAOS(threads, threads_come_and_go, threads_come_and_go, computes, sleeps)
CHAOS(mappings, mappings_come_and_go, mappings_come_and_go, computes)
CHAOS(signals, signals_to_itself, sleeps, sleeps, computes)
CHAOS(forking, forks, computes)
CHAOS(vforking, vforks, sleeps)
CHAOS(everything, threads_come_and_go, mappings_come_and_go, signals_to_itself, forks, vforks)
CHAOS(quiet, sleeps, sleeps, computes)

TARGET(catching)
{
	struct sigaction sa = { .sa_handler = count_signal, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &sa, NULL);
	start(computes, NULL);
	start(sleeps, NULL);
	start(sleeps, NULL);
	say("ready");
	until_told();
	if (!handled)
		wrong("no signal came");
	_exit(verdict());
}

/* A new program again and again, by whichever thread it likes */
static void *exec_again(void *arg)
{
	char *argv[] = { "/proc/self/exe", "--target", "execs", arg, NULL };
	char *argv_thread[] = { "/proc/self/exe", "--target", "execs_thread", arg, NULL };

	execv(argv[0], arg ? argv_thread : argv);
	wrong("exec: %m");
	return NULL;
}

TARGET(execs)
{
	static char yes[] = "x";

	start(sleeps, NULL);
	if (!arg)
		say("ready");
	sleep_ms(3);
	exec_again(yes);
	return 1;
}

TARGET(execs_thread)
{
	static char yes[] = "x";

	start(sleeps, NULL);
	start(sleeps, NULL);
	sleep_ms(2);
	start(exec_again, yes);
	sleep_ms(60000);
	return 1;
}

TARGET(ends)
{
	int i, n = atoi(arg);

	for (i = 0; i < 4; i++)
		start(i & 1 ? sleeps : computes, NULL);
	say("ready");
	sleep_ms(n / 2);
	if (n & 1)
		_exit(33);
	exit(33);
}

FIXTURE(storm)
{
	struct target t;
	struct target copy;
	struct image img;
	struct random random;
	int64_t end;
	int done;
	int refused;
	int gone;
	char why_gone[128];
};

FIXTURE_SETUP(storm)
{
	GHOST_NEEDED();
	ASSERT_EQ(NULL, image_open(&self->img, STORE_MEMORY));
	random_init(&self->random);
	/* Children of copies that are killed come to us */
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	self->end = now_ms() + env_number("GHOST_STORM_SECONDS", 10) * 1000;
}

FIXTURE_TEARDOWN(storm)
{
	target_end(&self->t);
	target_end(&self->copy);
	image_close(&self->img);
	kill_children();
	kill_children();
}

#define PATIENCE_MS	60000

static bool blows(FIXTURE_DATA(storm) *self)
{
	return now_ms() < self->end;
}

/* What may come in the way of an export in a storm */
static bool is_expected(int err)
{
	return err == EOPNOTSUPP || err == EBUSY || err == ETIMEDOUT || err == ESRCH;
}

static bool export_once(FIXTURE_DATA(storm) *self)
{
	if (!export_target(&self->t, &self->img, 0)) {
		self->done++;
		return true;
	}
	self->refused++;
	if (errno == ESRCH) {
		self->gone++;
		snprintf(self->why_gone, sizeof(self->why_gone), "%s", self->img.report);
	}
	if (is_expected(errno))
		return true;
	fprintf(stderr, "# export: %m: %s\n", self->img.report);
	return false;
}

/* Make a copy, let it run for a moment, see that it has nothing to complain of */
static bool copy_once(FIXTURE_DATA(storm) *self)
{
	siginfo_t info = { 0 };
	bool ok;

	if (self->img.fd < 0)
		return true;
	if (import_target(&self->copy, &self->t, &self->img, 0, NULL)) {
		fprintf(stderr, "# import: %m: %s\n", self->img.report);
		return false;
	}
	ok = target_is_silent(&self->copy, random_next(&self->random) % 20);
	if (ok && !waitid(P_PID, self->copy.pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) &&
	    info.si_pid) {
		fprintf(stderr, "# the copy is dead: code %d, status %d\n", info.si_code,
			info.si_status);
		ok = false;
	}
	target_end(&self->copy);
	/* Its children */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return ok;
}

/* How long an export takes here: chance must leave as much time for it, debug kernel or not */
static int export_ms(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self)
{
	int64_t took = 0;
	int i;

	ASSERT_EQ(0, target_start(&self->t, "quiet", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	for (i = 0; i < 3; i++) {
		took = now_ms();
		ASSERT_EQ(0, export_target(&self->t, &self->img, 0));
		took = now_ms() - took;
	}
	target_end(&self->t);
	return took + 1;
}

static void rage(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self, const char *name)
{
	struct target_options o;
	int done = 0;
	char arg[16];

	snprintf(arg, sizeof(arg), "%d", export_ms(_metadata, self));
	o = (struct target_options) { .arg = arg };
	ASSERT_EQ(0, target_start(&self->t, name, strcmp(name, "execs") ? &o : NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	/* On a slow machine it takes longer to come upon a moment without obstacles */
	while (blows(self) || (!self->done && now_ms() < self->end + PATIENCE_MS)) {
		ASSERT_TRUE(export_once(self));
		if (self->done != done)
			ASSERT_TRUE(copy_once(self));
		done = self->done;
	}
	ksft_print_msg("%d exports and imports, %d refusals\n", self->done, self->refused);
	EXPECT_LT(0, self->done);
}

/* Was it disturbed? */
static void calm_down(struct __test_metadata *_metadata, FIXTURE_DATA(storm) *self)
{
	int status;

	close(self->t.in);
	self->t.in = -1;
	EXPECT_TRUE(target_says(&self->t, "ok"));
	ASSERT_EQ(0, target_wait(&self->t, &status));
	EXPECT_EQ(0, status);
}

TEST_F(storm, of_threads)
{
	rage(_metadata, self, "threads");
	calm_down(_metadata, self);
}

TEST_F(storm, of_mappings)
{
	rage(_metadata, self, "mappings");
	calm_down(_metadata, self);
}

TEST_F(storm, of_signals)
{
	rage(_metadata, self, "signals");
	calm_down(_metadata, self);
}

TEST_F(storm, of_forks)
{
	rage(_metadata, self, "forking");
	calm_down(_metadata, self);
}

TEST_F(storm, of_vforks)
{
	rage(_metadata, self, "vforking");
	calm_down(_metadata, self);
}

TEST_F(storm, of_everything)
{
	rage(_metadata, self, "everything");
	calm_down(_metadata, self);
}

TEST_F(storm, of_execs)
{
	rage(_metadata, self, "execs");
	/* It is there all the time */
	EXPECT_EQ(0, self->gone) TH_LOG("%s", self->why_gone);
	EXPECT_NE('Z', proc_state(self->t.pid, 0) ?: 'Z');
}

TEST_F(storm, of_exits)
{
	struct target_options o;
	int status, rounds = 0;
	char arg[16];
	int max_ms = 32 + 2 * export_ms(_metadata, self);

	for (; blows(self); rounds++) {
		snprintf(arg, sizeof(arg), "%lu", random_next(&self->random) % (2 * max_ms));
		o = (struct target_options) { .arg = arg };
		ASSERT_EQ(0, target_start(&self->t, "ends", &o));
		ASSERT_TRUE(target_says(&self->t, "ready"));
		for (;;) {
			if (export_target(&self->t, &self->img, 0)) {
				self->refused++;
				ASSERT_TRUE(is_expected(errno)) TH_LOG("%s", strerror(errno));
				if (errno == ESRCH)
					break;
			} else {
				self->done++;
			}
		}
		/* It ended as it wanted to, and in time */
		ASSERT_EQ(0, target_wait(&self->t, &status));
		ASSERT_TRUE(WIFEXITED(status)) TH_LOG("status %#x", status);
		ASSERT_EQ(33, WEXITSTATUS(status));
	}
	ksft_print_msg("%d processes, %d exports, %d refusals\n", rounds, self->done,
		       self->refused);
	EXPECT_LT(0, self->done);
}

/* A child of the test that does something at random moments until it is killed */
static pid_t annoy(FIXTURE_DATA(storm) *self, void (*how)(pid_t pid), int max_us)
{
	struct random r = { random_next(&self->random) };
	pid_t pid = fork();

	if (pid)
		return pid;
	for (;;) {
		how(self->t.pid);
		usleep(random_next(&r) % max_us);
	}
}

static void stop_and_continue(pid_t pid)
{
	kill(pid, SIGSTOP);
	usleep(rand() % 2000);
	kill(pid, SIGCONT);
}

TEST_F(storm, of_stops_and_continues)
{
	pid_t pid;

	ASSERT_EQ(0, target_start(&self->t, "quiet", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	pid = annoy(self, stop_and_continue, 3000);
	while (blows(self)) {
		ASSERT_TRUE(export_once(self));
		if (self->img.fd < 0)
			continue;
		/* It may be a stopped one */
		ASSERT_IMPORTED(&self->copy, &self->t, &self->img, 0);
		kill(self->copy.pid, SIGCONT);
		ASSERT_TRUE(target_is_silent(&self->copy, 2));
		target_end(&self->copy);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	kill(self->t.pid, SIGCONT);
	ksft_print_msg("%d exports and imports, %d refusals\n", self->done, self->refused);
	EXPECT_LT(0, self->done);
	calm_down(_metadata, self);
}

static void send_signal(pid_t pid)
{
	kill(pid, SIGUSR1);
}

TEST_F(storm, of_signals_from_outside)
{
	pid_t pid;

	int done = 0;

	ASSERT_EQ(0, target_start(&self->t, "catching", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	pid = annoy(self, send_signal, 500);
	/* On a slow machine it takes longer to come upon a moment without obstacles */
	while (blows(self) || (!self->done && now_ms() < self->end + PATIENCE_MS)) {
		ASSERT_TRUE(export_once(self));
		if (self->done != done)
			ASSERT_TRUE(copy_once(self));
		done = self->done;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	ksft_print_msg("%d exports, %d refusals\n", self->done, self->refused);
	EXPECT_LT(0, self->done);
	calm_down(_metadata, self);
}

/* Exit status: number of exports that were done, at most 100; 101: an unexpected error */
static pid_t export_in_a_loop(FIXTURE_DATA(storm) *self)
{
	pid_t pid = fork();
	int done = 0, busy = 0;

	if (pid)
		return pid;
	while (blows(self)) {
		if (!export_target(&self->t, &self->img, 0)) {
			done++;
		} else if (errno == EBUSY) {
			busy++;
		} else {
			fprintf(stderr, "# export: %m: %s\n", self->img.report);
			_exit(101);
		}
	}
	ksft_print_msg("%d exports, %d times busy\n", done, busy);
	fflush(stdout);
	_exit(done > 100 ? 100 : done);
}

TEST_F(storm, of_exporters)
{
	pid_t pids[4];
	int i, status, done = 0;

	ASSERT_EQ(0, target_start(&self->t, "quiet", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	for (i = 0; i < 4; i++)
		pids[i] = export_in_a_loop(self);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		ASSERT_TRUE(WIFEXITED(status));
		ASSERT_NE(101, WEXITSTATUS(status));
		done += WEXITSTATUS(status);
	}
	EXPECT_LT(10, done);
	calm_down(_metadata, self);
}

static void kill_after(struct random *r, pid_t pid, int max_us)
{
	usleep(random_next(r) % max_us);
	kill(pid, SIGKILL);
}

TEST_F(storm, that_kills_the_process)
{
	int status, rounds = 0;
	struct image file;
	pid_t killer;

	ASSERT_EQ(NULL, image_open(&file, STORE_TMPFS));
	for (; blows(self); rounds++) {
		ASSERT_EQ(0, target_start(&self->t, rounds & 1 ? "quiet" : "threads", NULL));
		ASSERT_TRUE(target_says(&self->t, "ready"));
		killer = fork();
		if (!killer) {
			kill_after(&self->random, self->t.pid, 30000);
			_exit(0);
		}
		random_next(&self->random);
		while (!export_target(&self->t, rounds & 2 ? &file : &self->img,
				      rounds % 8 == 7 ? GHOST_EXPORT_KILL : 0))
			self->done++;
		EXPECT_TRUE(errno == ESRCH) TH_LOG("%s: %s: %s", strerror(errno), file.report,
						   self->img.report);
		ASSERT_EQ(0, target_wait(&self->t, &status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
		waitpid(killer, NULL, 0);
	}
	ksft_print_msg("%d processes, %d exports\n", rounds, self->done);
	image_close(&file);
}

TEST_F(storm, that_kills_the_exporter)
{
	int rounds = 0, status, flags;
	struct image file;
	pid_t exporter;

	ASSERT_EQ(NULL, image_open(&file, STORE_TMPFS));
	ASSERT_EQ(0, target_start(&self->t, "everything", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	for (; blows(self); rounds++) {
		exporter = fork();
		if (!exporter) {
			for (flags = 0;; flags ^= 1)
				export_target(&self->t, flags ? &file : &self->img, 0);
		}
		kill_after(&self->random, exporter, 20000);
		ASSERT_EQ(exporter, waitpid(exporter, &status, 0));
	}
	ksft_print_msg("%d exporters\n", rounds);
	/* It is not parked by anybody any more */
	calm_down(_metadata, self);
	image_close(&file);
}

static int count_children(void)
{
	char path[64], text[4096], *p = text;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", gettid());
	if (read_text(path, text, sizeof(text)) < 0)
		return -1;
	while (strtol(p, &p, 10) > 0)
		n++;
	return n;
}

TEST_F(storm, that_kills_the_importer)
{
	int rounds = 0, status, left = 0, flags, i;
	struct image file;
	pid_t importer;

	ASSERT_EQ(NULL, image_open(&file, STORE_TMPFS));
	ASSERT_EQ(0, target_start(&self->t, "quiet", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	ASSERT_EXPORTED(&self->t, &self->img, 0);
	ASSERT_EXPORTED(&self->t, &file, 0);
	for (; blows(self); rounds++) {
		importer = fork();
		if (!importer) {
			struct target copy;

			for (flags = 0;; flags ^= 1) {
				if (import_target(&copy, &self->t, flags ? &file : &self->img,
						  GHOST_IMPORT_STOPPED, NULL)) {
					fprintf(stderr, "# import: %m: %s\n", file.report);
					_exit(1);
				}
				target_end(&copy);
			}
		}
		kill_after(&self->random, importer, 30000);
		ASSERT_EQ(importer, waitpid(importer, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status)) TH_LOG("status %#x", status);
		/*
		 * What it has just made comes to us; what was not complete dies. Nothing
		 * may stay that is neither.
		 */
		for (i = 0; i < 100 && count_children() > 1; i++) {
			sleep_ms(5);
			while (waitpid(-1, NULL, WNOHANG | __WALL) > 0)
				;
		}
		if (count_children() > 1) {
			int pids = count_children() - 1;

			left += pids;
			/* Complete ones, stopped */
			target_end(&self->t);
			kill_children();
			EXPECT_EQ(0, count_children());
			ASSERT_EQ(0, target_start(&self->t, "quiet", NULL));
			ASSERT_TRUE(target_says(&self->t, "ready"));
		}
	}
	ksft_print_msg("%d importers, %d of their copies were complete\n", rounds, left);
	image_close(&file);
}

TEST_F(storm, of_memory_ghosts)
{
	struct image many[16];
	int i, n = 0;

	for (i = 0; i < 16; i++)
		ASSERT_EQ(NULL, image_open(&many[i], STORE_MEMORY));
	ASSERT_EQ(0, target_start(&self->t, "mappings", NULL));
	ASSERT_TRUE(target_says(&self->t, "ready"));
	while (blows(self)) {
		i = random_next(&self->random) % 16;
		switch (random_next(&self->random) % 4) {
		case 0:
			image_close(&many[i]);
			break;
		case 1:
			ASSERT_EXPORTED(&self->t, &many[i], 0);
			break;
		default:
			if (many[i].fd < 0)
				break;
			ASSERT_IMPORTED(&self->copy, &self->t, &many[i], 0);
			ASSERT_TRUE(target_is_silent(&self->copy, 1));
			target_end(&self->copy);
			n++;
		}
	}
	for (i = 0; i < 16; i++)
		image_close(&many[i]);
	ksft_print_msg("%d imports\n", n);
	calm_down(_metadata, self);
}

TEST_HARNESS_MAIN
