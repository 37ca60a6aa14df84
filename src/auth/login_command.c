// SPDX-License-Identifier: Apache-2.0
/* A token that a command prints: alone, or as {"token": ..., "ttl": ...}, like the credential
 * plugins of kubectl and git. This allows any way to log in. A new login runs the command again.
 * Its token is looked up before use, and still belongs to the command, which may give it to others:
 * it is never revoked here.
 *
 * If the command fails, its own server may be down, or may have refused it: we cannot tell. So we
 * ask our server. If that does not answer either, this is an outage, in which a mount may begin
 * with cached data. */

#include "auth/method.h"

#include "base/clock.h"
#include "host/program.h"
#include "vault/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define TTL_MAX 1e9 /* seconds */
#define PART	8   /* of a token: a shorter part may occur in any sentence */

static bool command_offers(const struct auth_config *c)
{
	return c->token_command != NULL;
}

static int command_check(const struct auth_config *c, struct err *err)
{
	if (c->token_command)
		return 0;
	return err_set(err, EINVAL, "auth=command: set token_command=CMD");
}

/* Seconds, as a number or a text, or a duration as Go prints it: "1h30m". */
static int read_ttl(const cJSON *item, uint64_t *ttl)
{
	double seconds;
	char *end;

	*ttl = 0;
	if (!item || cJSON_IsNull(item))
		return 0;
	if (json_is_number(item)) {
		seconds = strtod(item->valuestring, &end);
		if (*end || !(seconds >= 0 && seconds <= TTL_MAX))
			return -EINVAL;
		*ttl = (uint64_t)(seconds * (double)NS_PER_SEC);
		return 0;
	}
	return cJSON_IsString(item) ? clock_parse_duration(item->valuestring, ttl) : -EINVAL;
}

static int read_json(const struct secret *output, struct secret **token, uint64_t *ttl)
{
	_cleanup_json_ cJSON *json = NULL;
	const char *text;
	int r = json_parse(output->bytes, output->len, &json, NULL);

	if (r < 0)
		return r;
	text = json_get_str(json, "token");
	if (!text || read_ttl(json_get(json, "ttl"), ttl) < 0)
		return -EINVAL;
	return secret_from_text(text, strlen(text), SECRET_WORD, token);
}

/* Whether a part of the token is in the words; their beginning may be cut off. */
static bool shows(const char *words, const struct secret *token)
{
	char part[PART + 1] = "";

	for (size_t i = 0; i == 0 || i + PART <= token->len; i++) {
		strncpy(part, token->bytes + i, PART);
		if (strstr(words, part))
			return true;
	}
	return false;
}

/* Adds the command's standard error to the sentence, unless the token is in it, as in a shell's
 * trace. */
static void add_words(struct err *err, const struct program_end *end)
{
	_cleanup_secret_ struct secret *token = NULL;
	const char *text = end->words;
	uint64_t ttl;

	if (end->output && read_json(end->output, &token, &ttl) < 0)
		token = secret_ref(end->output);
	if (token && shows(end->words, token))
		text = "(what it said holds the token)";
	if (*text) {
		char before[sizeof(err->text)];

		snprintf(before, sizeof(before), "%s", err_text(err));
		err_set(err, err->code, "%s: %s", before, text);
	}
}

static int refuse(const struct program_end *end, struct err *err)
{
	if (WIFSIGNALED(end->how))
		err_set(err, EKEYREJECTED, "cannot log in: signal %d has ended token_command",
			WTERMSIG(end->how));
	else
		err_set(err, EKEYREJECTED, "cannot log in: token_command ended with status %d",
			WEXITSTATUS(end->how));
	add_words(err, end);
	return -EKEYREJECTED;
}

/* The command did not end by itself. */
static int not_ended(int r, const struct program_end *end, struct err *err)
{
	if (r == -ETIMEDOUT)
		err_set(err, ETIMEDOUT, "cannot log in: token_command has not ended in time");
	else if (r == -EFBIG)
		err_set(err, EKEYREJECTED,
			"cannot log in: token_command printed more than %u bytes", AUTH_TEXT_MAX);
	else
		err_set(err, r == -EPIPE ? EIO : -r, "cannot log in: cannot run token_command: %s",
			r == -EPIPE ? "the process that runs it is gone" : strerror(-r));
	add_words(err, end);
	return -err->code;
}

static int read_token(const struct program_end *end, struct secret **token, uint64_t *ttl,
		      struct err *err)
{
	int r = 0;

	*ttl = 0;
	if (!end->output) {
		err_set(err, EKEYREJECTED, "cannot log in: token_command printed nothing");
		add_words(err, end);
		return -EKEYREJECTED;
	}
	if (end->output->bytes[0] == '{')
		r = read_json(end->output, token, ttl);
	else
		*token = secret_ref(end->output);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory for a login");
	if (r < 0)
		return err_set(err, EKEYREJECTED,
			       "cannot log in: what token_command printed is not JSON with a "
			       "\"token\", and in \"ttl\" seconds or a time like 1h");
	r = auth_check_token(*token, "what token_command printed", err);
	return r < 0 ? err_prefix(err, "cannot log in") : 0;
}

static int run(const struct auth_config *c, struct limit limit, struct secret **token,
	       uint64_t *ttl, struct err *err)
{
	_cleanup_program_end_ struct program_end end = {0};
	int r;

	if (!c->program)
		return err_set(err, EIO, "cannot log in: nothing here can run token_command");
	r = program_run(c->program, c->token_command, AUTH_TEXT_MAX, limit, &end);
	if (r < 0)
		return not_ended(r, &end, err);
	if (!WIFEXITED(end.how) || WEXITSTATUS(end.how) != 0)
		return refuse(&end, err);
	return read_token(&end, token, ttl, err);
}

/* Returns `r`, or the error of the server if that is down too. */
static int judge_failure(struct vault *v, int r, struct limit limit, struct err *err)
{
	struct err why = {0};
	bool unused;
	int s = r == -EKEYREJECTED ? health_has_namespaces(v, limit, &unused, &why) : 0;

	if (s == 0 || !reply_is_outage(-s))
		return r;
	if (err)
		err->code = -s;
	return s;
}

static int command_login(struct vault *v, const struct auth_config *c, struct limit limit,
			 struct secret **out, struct token_info *info, struct err *err)
{
	_cleanup_secret_ struct secret *token = NULL;
	uint64_t ttl;
	int r = run(c, limit, &token, &ttl, err);

	if (r < 0)
		return judge_failure(v, r, limit, err);
	*info = (struct token_info){.known = false};
	if (!auth_unasked(c))
		r = token_lookup(v, token, limit, info, err);
	if (r == -EKEYEXPIRED)
		return err_prefix(err, "cannot log in: the token that token_command printed is "
				       "refused"),
		       -EKEYREJECTED;
	if (r < 0 && r != -EACCES)
		return r;
	/* If the command announces an earlier end than the server, that counts: then we run it
	 * again, and do not renew the token beyond it. */
	if (ttl && (!info->ttl || ttl < info->ttl)) {
		info->ttl = ttl;
		info->announced = true;
		info->renewable = false;
	}
	*out = steal(token);
	return 0;
}

const struct auth_method auth_command = {
	.name = "command",
	.borrowed = true,
	.offers = command_offers,
	.check = command_check,
	.login = command_login,
};
