// SPDX-License-Identifier: Apache-2.0
/* The table of login methods, in the order in which they are tried if none is named. */

#include "auth/method.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct auth_method *const methods[] = {
	&auth_command, &auth_token, &auth_approle, &auth_jwt,  &auth_kubernetes, &auth_userpass,
	&auth_ldap,    &auth_cert,  &auth_aws,	   &auth_oidc, &auth_none,
};

const struct auth_method *auth_method_at(size_t i)
{
	return i < ARRAY_SIZE(methods) ? methods[i] : NULL;
}

static const struct auth_method *find(const char *name, struct err *err)
{
	char names[128] = "";
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (!strcmp(methods[i]->name, name))
			return methods[i];
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
				      methods[i]->name);
	}
	err_set(err, EINVAL, "auth=%s: no such login method; there are %s", name, names);
	return NULL;
}

const struct auth_method *auth_choose(const struct auth_config *c, struct err *err)
{
	const struct auth_method *m = NULL;

	if (c->method) {
		m = find(c->method, err);
		/* Only one source provides the token, and a command wins. */
		if (m == &auth_token && c->token_command)
			m = &auth_command;
		return m && m->check(c, err) == 0 ? m : NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (methods[i]->offers && methods[i]->offers(c))
			return methods[i]->check(c, err) == 0 ? methods[i] : NULL;
	err_set(err, EINVAL,
		"no credentials: set VAULT_TOKEN, or token_file=FILE, or write ~/.vault-token "
		"(vault login), or set VAULT_ROLE_ID and VAULT_SECRET_ID, or auth=METHOD");
	return NULL;
}

int auth_check_token(const struct secret *token, const char *what, struct err *err)
{
	for (size_t i = 0; i < token->len; i++)
		if (token->bytes[i] <= ' ' || token->bytes[i] > '~')
			return err_set(err, EKEYREJECTED,
				       "%s has blanks or control characters in it", what);
	return 0;
}

bool auth_unasked(const struct auth_config *c)
{
	if (!c->unasked || c->memory->taken)
		return false;
	return c->memory->taken = true;
}

static int find_credential(struct secret *set, const char *file, enum secret_form form,
			   const char *what, struct secret **out, struct err *err)
{
	int r;

	if (set) {
		*out = secret_ref(set);
		return 0;
	}
	r = secret_from_file(file, AUTH_TEXT_MAX, form, out, err);
	if (r < 0)
		err_prefix(err, "cannot read the %s from %s", what, file);
	return r;
}

int auth_credential(struct secret *set, const char *file, const char *what, struct secret **out,
		    struct err *err)
{
	return find_credential(set, file, SECRET_WORD, what, out, err);
}

int auth_password(const struct auth_config *c, struct secret **out, struct err *err)
{
	return find_credential(c->password, c->password_file, SECRET_LINE, "password", out, err);
}

char *auth_path(const struct auth_config *c, const char *usual, const char *rest)
{
	char *path = NULL;

	return asprintf(&path, "auth/%s/%s", c->mount ? c->mount : usual, rest) < 0 ? NULL : path;
}

int auth_add(cJSON *body, const char *name, const char *text)
{
	if (!text)
		return 0;
	return json_add(body, name, strlen(name), json_new_string(text, strlen(text)));
}

int auth_add_secret(cJSON *body, const char *name, const struct secret *secret)
{
	return json_add(body, name, strlen(name), json_new_string(secret->bytes, secret->len));
}

void auth_memory_fini(struct auth_memory *m)
{
	secret_put(m->wrapping);
	secret_put(m->unwrapped);
	*m = (struct auth_memory){0};
}
