// SPDX-License-Identifier: GPL-2.0-only
/* Standard descriptors carried over a connection */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "compiler.h"
#include "forward.h"

#define WINDOW		65536
#define SLICE		4096		/* of a read */
#define TERMINAL_MS	100		/* what is said to one has come through by then */
#define FORWARD_NO_FD	(-1)

/* A lane that is read here */
struct inlet {
	int fd;
	bool close_at_end;
	size_t under_way;
	size_t rest;		/* to be sent in forward_send_rest() */
};

/* A lane that is written here */
struct outlet {
	int fd;
	bool close_at_end;
	bool ends;		/* when all of @buf is written */
	size_t len;
	char buf[WINDOW];
};

struct forward {
	int link;
	forward_message_fn message;
	void *arg;
	int watched;
	forward_event_fn event;
	void *event_arg;
	struct inlet inlets[FORWARD_LANES];
	struct outlet outlets[FORWARD_LANES];
	struct link_message in;
};

struct forward *forward_new(int link, forward_message_fn message, void *arg)
{
	struct forward *f = calloc(1, sizeof(*f));
	int i;

	if (!f)
		return NULL;
	f->link = link;
	f->message = message;
	f->arg = arg;
	f->watched = FORWARD_NO_FD;
	for (i = 0; i < FORWARD_LANES; i++) {
		f->inlets[i].fd = FORWARD_NO_FD;
		f->outlets[i].fd = FORWARD_NO_FD;
	}
	return f;
}

void forward_free(struct forward *f)
{
	free(f);
}

void forward_from(struct forward *f, unsigned int lane, int fd, bool close_at_end)
{
	f->inlets[lane].fd = fd;
	f->inlets[lane].close_at_end = close_at_end;
}

void forward_to(struct forward *f, unsigned int lane, int fd, bool close_at_end)
{
	f->outlets[lane].fd = fd;
	f->outlets[lane].close_at_end = close_at_end;
}

void forward_watch(struct forward *f, int fd, forward_event_fn event, void *arg)
{
	f->watched = fd;
	f->event = event;
	f->event_arg = arg;
}

static int send_data(struct forward *f, unsigned int lane, const char *data, size_t len)
{
	unsigned char buf[sizeof(uint32_t) + SLICE] = { lane };

	memcpy(buf + sizeof(uint32_t), data, len);
	return link_send(f->link, LINK_DATA, buf, sizeof(uint32_t) + len);
}

static void end_inlet(struct inlet *inlet)
{
	if (inlet->close_at_end)
		close(inlet->fd);
	inlet->fd = FORWARD_NO_FD;
	inlet->rest = 0;
}

static int read_inlet(struct forward *f, unsigned int lane)
{
	struct inlet *inlet = &f->inlets[lane];
	char buf[SLICE];
	ssize_t n = read(inlet->fd, buf, sizeof(buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {		/* EIO: a terminal that nobody has open any more */
		end_inlet(inlet);
		return send_data(f, lane, NULL, 0);
	}
	inlet->under_way += n;
	inlet->rest -= (size_t)n < inlet->rest ? (size_t)n : inlet->rest;
	return send_data(f, lane, buf, n);
}

static void end_outlet(struct outlet *outlet)
{
	if (outlet->close_at_end)
		close(outlet->fd);
	outlet->fd = FORWARD_NO_FD;
	outlet->len = 0;
}

static int write_outlet(struct forward *f, unsigned int lane)
{
	struct outlet *outlet = &f->outlets[lane];
	ssize_t n;

	/* So much a pipe takes at once if it takes anything; a terminal is set not to wait */
	n = write(outlet->fd, outlet->buf, outlet->len < PIPE_BUF ? outlet->len : PIPE_BUF);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		/* Nobody wants it: who says it is to know, as if he had written here */
		n = outlet->len;
		end_outlet(outlet);
		if (send_data(f, lane, NULL, 0))
			return -EPIPE;
	} else {
		outlet->len -= n;
		memmove(outlet->buf, outlet->buf + n, outlet->len);
		if (!outlet->len && outlet->ends)
			end_outlet(outlet);
	}
	return link_send_words(f->link, LINK_TAKEN, lane, n);
}

static int take_data(struct forward *f, const struct link_message *m)
{
	uint32_t lane = link_word(m, 0);
	struct outlet *outlet;
	size_t len;

	if (m->len < sizeof(uint32_t) || lane >= FORWARD_LANES)
		return -EPROTO;
	len = m->len - sizeof(uint32_t);
	outlet = &f->outlets[lane];
	if (!len && f->inlets[lane].fd != FORWARD_NO_FD && f->inlets[lane].close_at_end)
		end_inlet(&f->inlets[lane]);
	if (outlet->fd == FORWARD_NO_FD)
		return len ? link_send_words(f->link, LINK_TAKEN, lane, len) : 0;
	if (len > sizeof(outlet->buf) - outlet->len || outlet->ends)
		return -EPROTO;
	memcpy(outlet->buf + outlet->len, m->data + sizeof(uint32_t), len);
	outlet->len += len;
	if (!len)
		outlet->ends = true;
	if (!outlet->len)
		end_outlet(outlet);
	return 0;
}

static int take_message(struct forward *f)
{
	uint32_t lane;
	int ret = link_receive(f->link, &f->in, LINK_TIMEOUT_MS);

	if (ret)
		return ret;
	switch (f->in.type) {
	case LINK_DATA:
		return take_data(f, &f->in);
	case LINK_TAKEN:
		lane = link_word(&f->in, 0);
		if (lane >= FORWARD_LANES || link_word(&f->in, 1) > f->inlets[lane].under_way)
			return -EPROTO;
		f->inlets[lane].under_way -= link_word(&f->in, 1);
		return 0;
	default:
		return f->message(&f->in, f->arg);
	}
}

/* What to wait for: the connection, what is watched, and all lanes that can go on */
#define NR_POLLED	(2 + 2 * FORWARD_LANES)

static void fill_poll(const struct forward *f, struct pollfd *p)
{
	int i;

	p[0] = (struct pollfd) { .fd = f->link, .events = POLLIN };
	p[1] = (struct pollfd) { .fd = f->watched, .events = POLLIN };
	for (i = 0; i < FORWARD_LANES; i++) {
		const struct inlet *inlet = &f->inlets[i];
		const struct outlet *outlet = &f->outlets[i];

		p[2 + i] = (struct pollfd) { .fd = inlet->fd, .events = POLLIN };
		if (inlet->under_way > WINDOW - SLICE)
			p[2 + i].fd = FORWARD_NO_FD;
		p[2 + FORWARD_LANES + i] = (struct pollfd) {
			.fd = outlet->len ? outlet->fd : FORWARD_NO_FD, .events = POLLOUT,
		};
	}
}

static int serve_lanes(struct forward *f, const struct pollfd *p)
{
	int i, ret = 0;

	for (i = 0; i < FORWARD_LANES && !ret; i++) {
		if (p[2 + i].revents)
			ret = read_inlet(f, i);
		if (!ret && p[2 + FORWARD_LANES + i].revents && f->outlets[i].len)
			ret = write_outlet(f, i);
	}
	return ret;
}

int forward_run(struct forward *f)
{
	struct pollfd p[NR_POLLED];
	int ret = 0;

	while (!ret) {
		fill_poll(f, p);
		if (poll(p, NR_POLLED, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		ret = serve_lanes(f, p);
		if (!ret && p[1].revents)
			ret = f->event(f->event_arg);
		if (!ret && p[0].revents)
			ret = take_message(f);
	}
	return ret;
}

/* How long to wait for more; 0: there is none */
static int wait_for_rest(const struct forward *f)
{
	int i, ms = 0;

	for (i = 0; i < FORWARD_LANES; i++) {
		if (f->inlets[i].fd == FORWARD_NO_FD || !f->inlets[i].rest)
			continue;
		if (!isatty(f->inlets[i].fd) || f->inlets[i].under_way > WINDOW - SLICE)
			return LINK_TIMEOUT_MS;
		ms = TERMINAL_MS;
	}
	return ms;
}

int forward_send_rest(struct forward *f)
{
	struct pollfd p[NR_POLLED];
	int i, n, ms, ret = 0;

	/* What it has said itself is in the pipe now; on its way through a terminal, perhaps */
	for (i = 0; i < FORWARD_LANES; i++) {
		struct inlet *inlet = &f->inlets[i];

		n = 0;
		if (inlet->fd != FORWARD_NO_FD && isatty(inlet->fd))
			inlet->rest = WINDOW;
		else if (inlet->fd != FORWARD_NO_FD && !ioctl(inlet->fd, FIONREAD, &n))
			inlet->rest = n;
	}
	while (!ret && (ms = wait_for_rest(f))) {
		fill_poll(f, p);
		p[1].fd = FORWARD_NO_FD;
		n = poll(p, NR_POLLED, ms);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return ms == TERMINAL_MS ? 0 : -ETIMEDOUT;
		ret = serve_lanes(f, p);
		if (!ret && p[0].revents)
			ret = take_message(f);
	}
	return ret;
}

void forward_discard(struct forward *f)
{
	struct pollfd p[NR_POLLED];
	char buf[SLICE];
	int i;

	for (;;) {
		for (i = 0; i < FORWARD_LANES; i++)
			f->inlets[i].under_way = 0;
		fill_poll(f, p);
		p[0].fd = FORWARD_NO_FD;
		if (poll(p, 2 + FORWARD_LANES, -1) < 0)
			continue;
		for (i = 0; i < FORWARD_LANES; i++)
			if (p[2 + i].revents && read(f->inlets[i].fd, buf, sizeof(buf)) <= 0 &&
			    errno != EAGAIN && errno != EINTR)
				end_inlet(&f->inlets[i]);
		if (p[1].revents && f->event(f->event_arg))
			return;
	}
}

void forward_write_rest(struct forward *f)
{
	struct outlet *outlet;
	int i;

	for (i = 0; i < FORWARD_LANES; i++) {
		outlet = &f->outlets[i];
		while (outlet->len) {
			struct pollfd p = { .fd = outlet->fd, .events = POLLOUT };

			if (poll(&p, 1, -1) > 0)
				write_outlet(f, i);	/* nobody need hear of it any more */
		}
	}
}
