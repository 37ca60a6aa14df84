// SPDX-License-Identifier: Apache-2.0
/* From options to a connection with the server. */

#include "cli/network.h"

#include "base/log.h"
#include "base/pool.h"
#include "host/program.h"
#include "http/http.h"
#include "kv/kv_current.h"
#include "kv/kv_router.h"
#include "node/node.h"
#include "tree/tree.h"
#include "vault/health.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BODY_MAX (64u << 20)

int network_open(struct network *n, const struct conf *c, struct err *err)
{
	struct http_config http = {.ca_file = c->ca_cert,
				   .ca_bytes = c->ca_bytes,
				   .ca_path = c->ca_path,
				   .client_cert = c->client_cert,
				   .client_cert_bytes = c->client_cert_bytes,
				   .client_key = c->client_key,
				   .client_key_bytes = c->client_key_bytes,
				   .proxy = c->proxy,
				   .srv_lookup = c->srv_lookup,
				   .server_name = c->tls_server_name,
				   .skip_verify = c->tls_skip_verify,
				   .connections = c->parallel + POOL_RESERVE,
				   .max_body = BODY_MAX};

	if (c->tls_skip_verify)
		log_warning(
			"the server's certificate is not checked (tls_skip_verify): whoever is in "
			"between reads and changes everything, the token included");
	budget_init(&n->budget, (unsigned)c->rate);
	n->http = http_new(&http, err);
	if (!n->http)
		return -err->code;
	n->servers = servers_new(n->http, c->address, !c->no_redirects, err);
	if (!n->servers)
		return -err->code;
	n->vault = vault_new(n->servers, &n->budget, c->server_namespace, (unsigned)c->max_retries,
			     err);
	return n->vault ? 0 : -err->code;
}

void network_close(struct network *n)
{
	vault_free(n->vault);
	servers_free(n->servers);
	http_free(n->http);
	budget_fini(&n->budget);
	*n = (struct network){0};
}

void network_stop(struct network *n, struct program *p)
{
	http_drop_reads(n->http);
	program_stop(p);
}

static void on_spared(void *arg, const struct err *why)
{
	struct tree *tree = arg;

	tree_failed(tree, geteuid(), tree_root(tree), NULL, NULL, why);
}

/* Data in memory belong to the previous engine. */
static void on_other_engine(void *arg)
{
	tree_forget_all(arg, 0);
}

void network_report(struct network *n, struct tree *tree)
{
	if (tree)
		n->kv = tree->config.kv;
	if (n->kv) {
		kv_current_report(n->kv, tree ? on_other_engine : NULL, tree);
		kv_router_report(n->kv, tree ? on_other_engine : NULL, tree);
	}
	if (n->servers)
		servers_report(n->servers, tree ? on_spared : NULL, tree);
}

int network_check_namespace(const struct network *n, const struct conf *c, struct limit limit,
			    struct err *err)
{
	bool has = false;
	int r;

	if (!c->server_namespace)
		return 0;
	r = health_has_namespaces(n->vault, limit, &has, err);
	if (r < 0 || has)
		return r;
	return err_set(err, EOPNOTSUPP,
		       "namespace=%s: %s has no namespaces (it is Vault's community edition), and "
		       "would take no notice",
		       c->server_namespace, c->address);
}

int network_find_engine(const struct network *n, const struct conf *c, const char *path,
			struct limit limit, struct kv_engine *out, struct err *err)
{
	struct kv_choice choice = {.version = (int)c->kv_version,
				   .firm = c->kv_version != 0,
				   .mount = c->engine,
				   .ttl = c->ttl};

	return kv_engine_open(n->vault, strcmp(path, "/") != 0 ? path : "", &choice, limit, out,
			      err);
}
