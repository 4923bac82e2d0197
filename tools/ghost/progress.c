// SPDX-License-Identifier: GPL-2.0-only
/* ghost: show how long work gets on */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

#define FIRST_MS	1000	/* shorter work is done in silence */
#define STEP_MS		200

struct progress {
	const char *what;
	unsigned long long total;
	unsigned long long (*measure)(void *arg);
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool over;
};

static void add_ms(struct timespec *ts, long ms)
{
	ts->tv_nsec += ms * 1000000;
	ts->tv_sec += ts->tv_nsec / 1000000000;
	ts->tv_nsec %= 1000000000;
}

static void print(const struct progress *p)
{
	unsigned long long mb = p->measure(p->arg) >> 20, total = p->total >> 20;

	if (total && mb <= total)
		fprintf(stderr, "\r%s: %llu of about %llu MB\033[K", p->what, mb, total);
	else
		fprintf(stderr, "\r%s: %llu MB\033[K", p->what, mb);
}

static void *show(void *arg)
{
	struct progress *p = arg;
	struct timespec next;
	bool shown = false;

	clock_gettime(CLOCK_MONOTONIC, &next);
	add_ms(&next, FIRST_MS);
	pthread_mutex_lock(&p->lock);
	while (!p->over) {
		if (pthread_cond_timedwait(&p->wake, &p->lock, &next) != ETIMEDOUT)
			continue;
		print(p);
		shown = true;
		clock_gettime(CLOCK_MONOTONIC, &next);
		add_ms(&next, STEP_MS);
	}
	pthread_mutex_unlock(&p->lock);
	if (shown)
		fputs("\r\033[K", stderr);
	return NULL;
}

/* Signals are for the main thread. */
static int start_thread(struct progress *p)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int ret;

	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&p->thread, NULL, show, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

struct progress *progress_start(const char *what, unsigned long long total,
				unsigned long long (*measure)(void *arg), void *arg)
{
	struct progress *p;

	if (!isatty(STDERR_FILENO))
		return NULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->what = what;
	p->total = total;
	p->measure = measure;
	p->arg = arg;
	if (start_thread(p)) {
		free(p);
		return NULL;
	}
	return p;
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->over = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
