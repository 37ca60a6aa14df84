// SPDX-License-Identifier: Apache-2.0
/* OIDC (https://developer.hashicorp.com/vault/api-docs/auth/jwt, "OIDC Authorization URL Request"):
 * a person logs in at a provider, in a browser, which comes back to us with a code.
 *
 *      us              server                browser            provider
 *      nonce ---------> auth_url
 *      shows it ---------------------------> opens it --------> login
 *      listens <---------------------------- state, code <-----
 *      both, nonce ---> callback ------------------------------> code
 *      token <---------
 *
 * The nonce goes to nobody but the server: a code that somebody else has seen is useless. The state
 * is the server's; a request with another one is refused. */

#include "auth/method.h"

#include "base/clock.h"
#include "host/callback.h"

#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define CALLBACK_PATH "/oidc/callback"
#define PATIENCE      (300 * NS_PER_SEC) /* for a person at a browser */
#define NONCE_BYTES   20

static int oidc_check(const struct auth_config *c, struct err *err)
{
	if (!c->show)
		return err_set(err, EINVAL,
			       "auth=oidc needs somebody at a browser: run vaultfs login oidc, "
			       "which writes ~/.vault-token for mounts");
	return 0;
}

static int make_nonce(char *to)
{
	unsigned char bytes[NONCE_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(to + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

/* The beginning of a parameter's value, still encoded; NULL if there is none. */
static const char *parameter(const char *query, const char *name, size_t *len)
{
	size_t n = strlen(name);

	for (const char *p = query; *p;) {
		size_t item = strcspn(p, "&");

		if (item > n && !memcmp(p, name, n) && p[n] == '=') {
			*len = item - n - 1;
			return p + n + 1;
		}
		p += item + (p[item] == '&');
	}
	return NULL;
}

/* Whether it belongs to our login: its state is the one in the URL that we showed. */
static bool has_our_state(const char *query, const void *arg)
{
	const char *url = strchr(arg, '?');
	size_t a_len, b_len;
	const char *a = parameter(query, "state", &a_len);
	const char *b = url ? parameter(url + 1, "state", &b_len) : NULL;

	return a && b && a_len == b_len && !memcmp(a, b, a_len);
}

/* Asks the server for the URL to open in the browser. */
static int ask_url(struct vault *v, const struct auth_config *c, const char *nonce,
		   struct limit limit, char **url, struct err *err)
{
	_cleanup_json_ cJSON *body = cJSON_CreateObject();
	_cleanup_free_ char *path = auth_path(c, "oidc", "oidc/auth_url");
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "POST",
				  .path = path,
				  .body = body,
				  .anonymous = true,
				  .once = true,
				  .limit = limit};
	char redirect[80];
	const char *found;
	int r;

	snprintf(redirect, sizeof(redirect), "http://localhost:%u" CALLBACK_PATH, c->oidc_port);
	if (!path || auth_add(body, "role", c->role) < 0 ||
	    auth_add(body, "redirect_uri", redirect) < 0 ||
	    auth_add(body, "client_nonce", nonce) < 0)
		return err_set(err, ENOMEM, "no memory for a login");
	r = vault_call(v, &call, &answer, err);
	if (r < 0 && answer.status >= 400 && answer.status <= 404)
		err->code = EKEYREJECTED;
	if (r < 0)
		return err_prefix(err, "cannot log in at %s", path);
	found = json_get_str(json_get(answer.json, "data"), "auth_url");
	if (!found)
		return err_set(
			err, EKEYREJECTED,
			"cannot log in: %s gives no address to log in at: is there %s%s, and "
			"is %s among its allowed_redirect_uris?",
			vault_address(v), c->role ? "role " : "a default role (role=)",
			c->role ? c->role : "", redirect);
	*url = strdup(found);
	return *url ? 0 : err_set(err, ENOMEM, "no memory for a login");
}

/* The parameters for the server's callback; heap, NULL if the provider sent no code. */
static char *callback_query(const char *came, const char *nonce)
{
	size_t state_len, code_len;
	const char *state = parameter(came, "state", &state_len);
	const char *code = parameter(came, "code", &code_len);
	char *query = NULL;

	if (!code || !state)
		return NULL;
	return asprintf(&query, "state=%.*s&code=%.*s&client_nonce=%s", (int)state_len, state,
			(int)code_len, code, nonce) < 0
		       ? NULL
		       : query;
}

static int provider_refused(const char *came, struct err *err)
{
	size_t len = 0, more_len = 0;
	const char *error = parameter(came, "error", &len);
	const char *more = parameter(came, "error_description", &more_len);

	return err_set(err, EKEYREJECTED, "cannot log in: the identity provider says %.*s%s%.*s",
		       (int)(error ? len : 7), error ? error : "nothing", more ? ": " : "",
		       (int)more_len, more ? more : "");
}

static int finish(struct vault *v, const struct auth_config *c, const char *came, const char *nonce,
		  struct limit limit, struct secret **token, struct token_info *info,
		  struct err *err)
{
	_cleanup_free_ char *query = callback_query(came, nonce);
	_cleanup_free_ char *path = auth_path(c, "oidc", "oidc/callback");
	char what[160] = "the login at the identity provider";
	int r;

	if (!query)
		return provider_refused(came, err);
	if (!path)
		return err_set(err, ENOMEM, "no memory for a login");
	if (c->role)
		snprintf(what, sizeof(what), "role %s or the login at the identity provider",
			 c->role);
	r = token_login_by_query(v, path, query, what, limit, token, info, err);
	explicit_bzero(query, strlen(query));
	return r;
}

static int oidc_login(struct vault *v, const struct auth_config *c, struct limit limit,
		      struct secret **token, struct token_info *info, struct err *err)
{
	uint64_t begun = clock_mono(), time = limit.deadline - begun;
	_cleanup_secret_ struct secret *came = NULL;
	_cleanup_free_ char *url = NULL;
	char nonce[2 * NONCE_BYTES + 1];
	struct callback *callback;
	int r;

	callback = callback_new((uint16_t)c->oidc_port, err);
	if (!callback)
		return -err->code;
	r = make_nonce(nonce);
	if (r == 0)
		r = ask_url(v, c, nonce, limit, &url, err);
	if (r == 0) {
		c->show(url);
		r = callback_wait(callback, CALLBACK_PATH, clock_mono() + PATIENCE, has_our_state,
				  url, &came, err);
	}
	callback_free(callback);
	if (r < 0)
		return r;
	limit.deadline = clock_mono() + time;
	return finish(v, c, came->bytes, nonce, limit, token, info, err);
}

const struct auth_method auth_oidc = {
	.name = "oidc",
	.check = oidc_check,
	.login = oidc_login,
};
