// SPDX-License-Identifier: Apache-2.0
/* The curl pool: one multi handle, driven by one of the waiting threads.
 *
 * A caller that finds no driver drives, for all, until its own exchange is done; then another
 * waiting caller takes over. A driver thread of its own would cost each request two more thread
 * switches: a tenth of the time of a request to a nearby server.
 *
 *      first                               second
 *      incoming += x, drive                incoming += y, wake the driver, wait
 *        add x, add y, run, poll
 *        x is done: stop driving --------> wakes, drives
 *                                            run, poll, y is done
 *
 * An exchange lives on its caller's stack. It is handed over through `incoming`, and belongs to the
 * driver until `done` is set. A cancelled caller marks its exchange and still waits for `done`. */

#include "http/http.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/metric.h"
#include "base/secmem.h"
#include "base/trust.h"
#include "http/ca_folder.h"
#include "http/route.h"
#include "http/srv.h"
#include "http/transfer.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define IDLE_HANDLES 32

struct exchange {
	struct transfer transfer;
	atomic_bool abandoned;
	bool read; /* changes nothing at the server */
	bool done;
	struct cond cond;      /* `done` */
	struct exchange *next; /* in incoming, then in active */
	struct http *http;
};

/* A wake-up ends the poll; the timeout is for what curl does by the clock. */
#define POLL_MS 1000

struct http {
	struct http_config config;
	CURLM *multi;		 /* the driver's */
	struct exchange *active; /* the driver's */
	atomic_bool drop_reads;
	struct lock lock; /* guards all below, and `done` of every exchange */
	bool driven;
	struct exchange *incoming, **incoming_tail;
	CURL *idle[IDLE_HANDLES]; /* reset, ready for reuse */
	size_t idle_count;
};

void http_reply_fini(struct http_reply *r)
{
	buf_fini(&r->body);
	free(r->location);
	*r = (struct http_reply){0};
}

/* Ends an exchange that has left all lists, and wakes its caller; `x` is gone afterwards. */
static void finish(struct http *h, struct exchange *x, CURLcode code)
{
	transfer_result(&x->transfer, code);
	lock_acquire(&h->lock);
	x->done = true;
	cond_signal(&x->cond);
	lock_release(&h->lock);
}

static void start_incoming(struct http *h, struct exchange *list)
{
	while (list) {
		struct exchange *x = list;

		list = x->next;
		if (curl_multi_add_handle(h->multi, x->transfer.easy) != CURLM_OK) {
			finish(h, x, CURLE_OUT_OF_MEMORY);
			continue;
		}
		x->next = h->active;
		h->active = x;
	}
}

static void drop_abandoned(struct http *h)
{
	struct exchange **p = &h->active, *x;

	while ((x = *p)) {
		if (!atomic_load(&x->abandoned) && !(x->read && atomic_load(&h->drop_reads))) {
			p = &x->next;
			continue;
		}
		*p = x->next;
		curl_multi_remove_handle(h->multi, x->transfer.easy);
		x->transfer.reply->fault = HTTP_CANCELLED;
		finish(h, x, CURLE_ABORTED_BY_CALLBACK);
	}
}

static struct exchange *take_active(struct http *h, const CURL *easy)
{
	struct exchange **p = &h->active, *x;

	for (; (x = *p); p = &x->next) {
		if (x->transfer.easy == easy) {
			*p = x->next;
			return x;
		}
	}
	return NULL;
}

static void reap_finished(struct http *h)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(h->multi, &left))) {
		CURLcode code = msg->data.result;
		struct exchange *x;

		if (msg->msg != CURLMSG_DONE)
			continue;
		x = take_active(h, msg->easy_handle);
		curl_multi_remove_handle(h->multi, msg->easy_handle); /* msg is gone after this */
		if (x)
			finish(h, x, code);
	}
}

static struct exchange *take_incoming(struct http *h)
{
	LOCK_SCOPE(&h->lock);
	struct exchange *list = steal(h->incoming);

	h->incoming_tail = &h->incoming;
	return list;
}

/* Runs all exchanges until `mine` is done. */
static void drive(struct http *h, const struct exchange *mine)
{
	int running;

	for (;;) {
		start_incoming(h, take_incoming(h));
		drop_abandoned(h);
		curl_multi_perform(h->multi, &running);
		reap_finished(h);
		if (mine->done) /* set by this very thread */
			return;
		curl_multi_poll(h->multi, NULL, 0, POLL_MS, NULL);
	}
}

static CURL *handle_get(struct http *h)
{
	LOCK_SCOPE(&h->lock);

	return h->idle_count ? h->idle[--h->idle_count] : curl_easy_init();
}

static void handle_put(struct http *h, CURL *easy)
{
	curl_easy_reset(easy); /* keeps its memory, forgets the token */
	lock_acquire(&h->lock);
	if (h->idle_count < IDLE_HANDLES)
		h->idle[h->idle_count++] = steal(easy);
	lock_release(&h->lock);
	curl_easy_cleanup(easy);
}

static void abandon(void *arg)
{
	struct exchange *x = arg;

	atomic_store(&x->abandoned, true);
	curl_multi_wakeup(x->http->multi);
}

static void submit(struct http *h, struct exchange *x)
{
	LOCK_SCOPE(&h->lock);

	*h->incoming_tail = x;
	h->incoming_tail = &x->next;
	if (h->driven)
		curl_multi_wakeup(h->multi);
}

/* Makes another caller drive, if any is left. */
static void hand_over_locked(struct http *h)
{
	LOCK_HELD(&h->lock);
	struct exchange *heir = h->active ? h->active : h->incoming;

	h->driven = false;
	if (heir)
		cond_signal(&heir->cond);
}

static void wait_done(struct http *h, struct exchange *x)
{
	LOCK_SCOPE(&h->lock);

	while (!x->done) {
		if (h->driven) {
			cond_wait(&x->cond, &h->lock);
			continue;
		}
		h->driven = true;
		lock_release(&h->lock);
		drive(h, x);
		lock_acquire(&h->lock);
		hand_over_locked(h);
	}
}

bool http_reads(const struct http_request *req)
{
	return req->harmless || !strcmp(req->method, "GET") || !strcmp(req->method, "LIST");
}

void http_exchange(struct http *h, const struct http_request *req, struct http_reply *reply)
{
	struct exchange x = {.http = h};
	CURL *easy = handle_get(h);
	uint64_t begun = clock_mono();
	int r = -ENOMEM;

	*reply = (struct http_reply){0};
	cond_init(&x.cond);
	x.read = http_reads(req);
	if (easy)
		r = transfer_init(&x.transfer, easy, &h->config, req, reply);
	if (r < 0) {
		reply->fault = r == -EINVAL ? HTTP_NONSENSE : HTTP_NO_MEMORY;
	} else {
		metric_move(METRIC_REQUESTS_FLYING, 1);
		submit(h, &x);
		if (req->limit.cancel)
			cancel_on(req->limit.cancel, abandon, &x);
		wait_done(h, &x);
		if (req->limit.cancel)
			cancel_on(req->limit.cancel, NULL, NULL);
		metric_move(METRIC_REQUESTS_FLYING, -1);
		metric_request(req->method, reply->status, clock_mono() - begun);
	}
	transfer_fini(&x.transfer);
	if (easy)
		handle_put(h, easy);
	cond_fini(&x.cond);
}

void http_drop_reads(struct http *h)
{
	if (!h)
		return;
	atomic_store(&h->drop_reads, true);
	curl_multi_wakeup(h->multi);
}

static int check_readable(const char *path, const char *what, struct err *err)
{
	if (path && access(path, R_OK) < 0)
		return err_set(err, errno, "cannot read the %s %s: %s", what, path,
			       strerror(errno));
	return path && trust_look(path, err) < 0 ? err_prefix(err, "the %s", what), -EPERM : 0;
}

static int check_ca_folder(const char *path, struct err *err)
{
	X509_STORE *store = ca_folder_read(path, err);

	X509_STORE_free(store);
	return store ? 0 : err_prefix(err, "ca_path");
}

static int check_config(const struct http_config *c, struct err *err)
{
	int r;

	if ((!c->client_cert && !c->client_cert_bytes) != (!c->client_key && !c->client_key_bytes))
		return err_set(err, EINVAL,
			       "a client certificate needs both client_cert= and client_key=");
	r = c->proxy ? route_check_proxy(c->proxy, err) : 0;
	if (r == 0)
		r = check_readable(c->ca_file, "CA certificate", err);
	if (r == 0)
		r = check_readable(c->ca_path, "folder of CA certificates", err);
	if (r == 0 && c->ca_path && !c->ca_file && !c->ca_bytes)
		r = check_ca_folder(c->ca_path, err);
	if (r == 0)
		r = check_readable(c->client_cert, "client certificate", err);
	if (r == 0)
		r = check_readable(c->client_key, "client key", err);
	return r;
}

static int http_start(struct http *h, struct err *err)
{
	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_malloc, wipe_free, wipe_realloc,
				 wipe_strdup, wipe_calloc) != CURLE_OK)
		return err_set(err, ENOMEM, "cannot start libcurl");
	h->multi = curl_multi_init();
	if (!h->multi)
		return err_set(err, ENOMEM, "cannot start libcurl");
	curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)h->config.connections);
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)h->config.connections);
	curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	return 0;
}

struct http *http_new(const struct http_config *config, struct err *err)
{
	struct http *h;

	if (check_config(config, err) < 0)
		return NULL;
	h = calloc(1, sizeof(*h));
	if (!h) {
		err_set(err, ENOMEM, "no memory for the network");
		return NULL;
	}
	h->config = *config;
	h->incoming_tail = &h->incoming;
	lock_init(&h->lock, LOCK_HTTP);
	h->config.srv = config->srv_lookup ? srv_new() : NULL;
	if (http_start(h, err) < 0) {
		curl_multi_cleanup(h->multi);
		srv_free(h->config.srv);
		free(h);
		return NULL;
	}
	return h;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	while (h->idle_count)
		curl_easy_cleanup(h->idle[--h->idle_count]);
	curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	srv_free(h->config.srv);
	lock_fini(&h->lock);
	free(h);
}
