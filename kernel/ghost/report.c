// SPDX-License-Identifier: GPL-2.0
/*
 * ghost: why an export or an import was refused
 */
#include <linux/ctype.h>
#include <linux/kernel.h>
#include <linux/spinlock.h>
#include <kunit/visibility.h>

#include "ghost.h"

/* Room that is kept for the last line of a report that is longer than its buffer */
#define GHOST_REPORT_MORE	32

static void __printf(2, 0) report_first(struct ghost *g, const char *fmt, va_list args)
{
	if (g->refused > 1)
		return;
	g->report_len = vscnprintf(g->report, GHOST_REPORT_SIZE, fmt, args);
}

static void __printf(2, 0) report_line(struct ghost *g, const char *fmt, va_list args)
{
	char *line = g->report + g->report_len;
	size_t left = GHOST_REPORT_SIZE - GHOST_REPORT_MORE - g->report_len;
	size_t len;

	if (!g->unreported) {
		len = vsnprintf(line, left, fmt, args);
		if (len + 1 < left) {
			line[len] = '\n';
			line[len + 1] = 0;
			g->report_len += len + 1;
			return;
		}
	}
	g->unreported++;
	snprintf(line, GHOST_REPORT_MORE, "and %u more\n", g->unreported);
}

/* Names are those of somebody else's files and tasks, or come out of an image */
static void make_printable(char *text, size_t len)
{
	for (; len; text++, len--)
		if (iscntrl(*text))
			*text = '?';
}

int ghost_refuse(struct ghost *g, int err, const char *fmt, ...)
{
	unsigned long flags;
	size_t start, end;
	va_list args;

	va_start(args, fmt);
	spin_lock_irqsave(&g->report_lock, flags);
	start = g->report_len;
	g->refused++;
	if (g->mode == GHOST_MODE_CHECK)
		report_line(g, fmt, args);
	else
		report_first(g, fmt, args);
	end = g->report_len;
	if (end > start) {
		if (g->mode == GHOST_MODE_CHECK)
			end--;		/* the end of the line */
		make_printable(g->report + start, end - start);
	}
	spin_unlock_irqrestore(&g->report_lock, flags);
	va_end(args);
	return g->mode == GHOST_MODE_CHECK ? 0 : err;
}
EXPORT_SYMBOL_GPL(ghost_refuse);

/**
 * ghost_unreport() - take back all that was reported
 * @g: the operation
 */
void ghost_unreport(struct ghost *g)
{
	unsigned long flags;

	spin_lock_irqsave(&g->report_lock, flags);
	memset(g->report, 0, GHOST_REPORT_SIZE);
	g->report_len = 0;
	g->refused = 0;
	g->unreported = 0;
	spin_unlock_irqrestore(&g->report_lock, flags);
}

/**
 * ghost_report() - why a call failed
 * @g: the ghost
 * Return: a text, empty if nothing failed; valid until ghost_release().
 */
const char *ghost_report(const struct ghost *g)
{
	return g->report;
}
EXPORT_SYMBOL_GPL(ghost_report);
