// SPDX-License-Identifier: Apache-2.0
/* The table of options, and how each type is read. */

#include "conf/option.h"

#include "base/clock.h"
#include "conf/address.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AT(member) .offset = offsetof(struct conf, member)
#define MINUTES	   (60 * NS_PER_SEC)
#define DAYS	   (24 * 60 * MINUTES)
#define MIB	   (1u << 20)

/* clang-format off */
static const struct option table[] = {
	{.name = "addr", .meaning = "URL", .type = OPTION_ADDRESSES, AT(address),
	 .env = {"BAO_AGENT_ADDR", "VAULT_AGENT_ADDR", "BAO_ADDR", "VAULT_ADDR", "VAULT_URL"},
	 .help = "address of the server, https://HOST:PORT or unix:///PATH; again: another to turn to "
		 "when it fails"},
	{.name = "namespace", .meaning = "NAME", .type = OPTION_STRING, AT(server_namespace),
	 .env = {"BAO_NAMESPACE", "VAULT_NAMESPACE"},
	 .help = "namespace in the server (OpenBao, Vault Enterprise)"},
	{.meaning = "PATH", .preset = "secret", .type = OPTION_STRING, AT(source),
	 .env = {"VAULT_MOUNT"},
	 .help = "what to mount where no SOURCE is given"},

	{.name = "kv_version", .meaning = "auto|1|2", .preset = "auto", .type = OPTION_CHOICE,
	 .choices = "auto 1 2", AT(kv_version),
	 .help = "version of the key-value engine; auto: the server is asked"},
	{.name = "engine", .meaning = "PATH", .type = OPTION_STRING, AT(engine),
	 .help = "with kv_version=1 or 2: where the engine is mounted, if its name has slashes"},

	{.name = "auth", .meaning = "METHOD", .type = OPTION_STRING, AT(auth),
	 .env = {"VAULT_AUTH_METHOD"},
	 .help = "how to log in: token, approle, jwt, kubernetes, userpass, ldap, cert, aws or command; none: "
		 "who is at the address adds a token; else by what credentials there are"},
	{.name = "auth_mount", .meaning = "PATH", .type = OPTION_STRING, AT(auth_mount),
	 .env = {"VAULT_AUTH_PATH"},
	 .help = "where the login method is mounted in the server, if not at its usual place"},
	{.name = "role", .meaning = "NAME", .type = OPTION_STRING, AT(role),
	 .env = {"VAULT_AUTH_ROLE"},
	 .help = "role to log in for (jwt, kubernetes, cert, aws; the one of a wrapped secret_id)"},
	{.name = "token_file", .meaning = "FILE", .type = OPTION_FILE, AT(token_file),
	 .replaces = {offsetof(struct conf, token_command)},
	 .help = "file with the token; read anew when the token has died"},
	{.type = OPTION_SECRET, AT(token), .replaces = {offsetof(struct conf, token_file), offsetof(struct conf, token_command)},
	 .env = {"BAO_TOKEN", "VAULT_TOKEN"},
	 .help = "the token"},
	{.name = "token_command", .meaning = "CMD", .type = OPTION_STRING, AT(token_command),
	 .replaces = {offsetof(struct conf, token_file)},
	 .help = "shell command that prints a token, or {\"token\": ..., \"ttl\": ...}; run again before "
		 "its end"},
	{.type = OPTION_FILE, AT(home_token_file), .env = {"BAO_TOKEN_PATH"},
	 .help = "the file of vault login, in place of ~/.vault-token"},
	{.name = "role_id_file", .meaning = "FILE", .type = OPTION_FILE, AT(role_id_file),
	 .help = "file with AppRole's role_id"},
	{.type = OPTION_SECRET, AT(role_id), .replaces = {offsetof(struct conf, role_id_file)},
	 .env = {"VAULT_ROLE_ID"},
	 .help = "AppRole's role_id"},
	{.name = "secret_id_file", .meaning = "FILE", .type = OPTION_FILE, AT(secret_id_file),
	 .help = "file with AppRole's secret_id; read anew at each login"},
	{.type = OPTION_SECRET, AT(secret_id), .replaces = {offsetof(struct conf, secret_id_file)},
	 .env = {"VAULT_SECRET_ID"},
	 .help = "AppRole's secret_id"},
	{.name = "secret_id_wrapped", .meaning = "auto|yes|no", .preset = "auto",
	 .type = OPTION_CHOICE, .choices = "auto yes no", AT(secret_id_wrapped),
	 .help = "whether the secret_id is a wrapping token, to be unwrapped; auto: if it looks so"},
	{.name = "jwt_file", .meaning = "FILE", .type = OPTION_FILE, AT(jwt_file),
	 .help = "file with the JWT of jwt and kubernetes; read anew at each login"},
	{.type = OPTION_SECRET, AT(jwt), .replaces = {offsetof(struct conf, jwt_file)},
	 .env = {"VAULT_ID_TOKEN"},
	 .help = "the JWT of jwt and kubernetes"},
	{.name = "username", .meaning = "NAME", .type = OPTION_STRING, AT(username),
	 .env = {"VAULT_USERNAME"},
	 .help = "user of userpass and ldap"},
	{.name = "password_file", .meaning = "FILE", .type = OPTION_FILE, AT(password_file),
	 .help = "file with the password of username; read anew at each login"},
	{.type = OPTION_SECRET, AT(password), .replaces = {offsetof(struct conf, password_file)},
	 .env = {"VAULT_PASSWORD"},
	 .help = "its password"},
	{.name = "aws_region", .meaning = "NAME", .type = OPTION_STRING, AT(aws_region),
	 .help = "region of AWS that says who we are; else its endpoint for all regions"},
	{.name = "aws_server_id", .meaning = "NAME", .type = OPTION_STRING, AT(aws_server_id),
	 .help = "what the server wants in the header X-Vault-AWS-IAM-Server-ID"},
	{.name = "oidc_port", .meaning = "N", .preset = "8250", .type = OPTION_NUMBER,
	 AT(oidc_port), .min = 1, .max = 65535,
	 .help = "port of 127.0.0.1 to which the browser comes back (vaultfs login oidc)"},
	{.name = "token_cache", .meaning = "FILE", .type = OPTION_FILE, AT(token_cache),
	 .help = "keep the token of a login there, sealed, for the next start"},
	{.name = "offline_key", .meaning = "machine|file:PATH|systemd-creds", .preset = "machine",
	 .type = OPTION_STRING, AT(offline_key),
	 .help = "key of what is kept in sealed files"},
	{.name = "key", .meaning = "machine|file:PATH|systemd-creds|passphrase:FD",
	 .preset = "machine", .type = OPTION_STRING, AT(key),
	 .help = "key of the local store (SOURCE local:FILE)"},
	{.name = "revoke", .type = OPTION_BOOL, AT(revoke),
	 .help = "revoke the token at unmount, if it was had by a login"},
	{.type = OPTION_SECRET, AT(aws_key_id), .env = {"AWS_ACCESS_KEY_ID"},
	 .help = "AWS access key"},
	{.type = OPTION_SECRET, AT(aws_secret_key), .env = {"AWS_SECRET_ACCESS_KEY"},
	 .help = "its secret key"},
	{.type = OPTION_SECRET, AT(aws_session_token), .env = {"AWS_SESSION_TOKEN"},
	 .help = "its session token"},
	{.type = OPTION_FILE, AT(aws_credentials_file), .env = {"AWS_SHARED_CREDENTIALS_FILE"},
	 .help = "AWS credentials, in place of ~/.aws/credentials"},
	{.type = OPTION_STRING, AT(aws_profile), .env = {"AWS_PROFILE"},
	 .help = "profile in that file, in place of default"},
	{.type = OPTION_STRING, AT(aws_metadata), .env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT"},
	 .help = "address of the instance metadata, in place of http://169.254.169.254"},
	{.type = OPTION_FILE, AT(aws_identity_file), .env = {"AWS_WEB_IDENTITY_TOKEN_FILE"},
	 .help = "file with a JWT for which STS gives out keys"},
	{.type = OPTION_STRING, AT(aws_role_arn), .env = {"AWS_ROLE_ARN"},
	 .help = "role of AWS that it is for"},
	{.type = OPTION_STRING, AT(aws_session_name), .env = {"AWS_ROLE_SESSION_NAME"},
	 .help = "name of the session then, in place of vaultfs"},
	{.type = OPTION_STRING, AT(aws_sts), .env = {"AWS_ENDPOINT_URL_STS"},
	 .help = "address of STS, in place of AWS's own"},
	{.type = OPTION_STRING, AT(aws_container_path),
	 .env = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"},
	 .help = "where at http://169.254.170.2 there are keys for this container"},
	{.type = OPTION_STRING, AT(aws_container_url),
	 .env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI"},
	 .help = "where there are, elsewhere"},
	{.type = OPTION_SECRET, AT(aws_container_token),
	 .env = {"AWS_CONTAINER_AUTHORIZATION_TOKEN"},
	 .help = "what to show there"},
	{.type = OPTION_FILE, AT(aws_container_token_file),
	 .env = {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"},
	 .help = "file with it, read anew at each login"},

	{.name = "ca_cert", .meaning = "FILE", .type = OPTION_FILE, AT(ca_cert),
	 .env = {"BAO_CACERT", "VAULT_CACERT"},
	 .help = "certificates (PEM) to trust, in place of the system's"},
	{.type = OPTION_STRING, AT(ca_bytes), .lines = true,
	 .env = {"BAO_CACERT_BYTES", "VAULT_CACERT_BYTES"},
	 .help = "certificates (PEM) themselves, where no ca_cert is set"},
	{.name = "ca_path", .meaning = "DIR", .type = OPTION_FILE, AT(ca_path),
	 .env = {"BAO_CAPATH", "VAULT_CAPATH"},
	 .help = "folder of certificates to trust, in place of the system's"},
	{.name = "client_cert", .meaning = "FILE", .type = OPTION_FILE, AT(client_cert),
	 .env = {"BAO_CLIENT_CERT", "VAULT_CLIENT_CERT"},
	 .help = "certificate (PEM) to show to the server"},
	{.name = "client_key", .meaning = "FILE", .type = OPTION_FILE, AT(client_key),
	 .env = {"BAO_CLIENT_KEY", "VAULT_CLIENT_KEY"},
	 .help = "key (PEM) of client_cert"},
	{.type = OPTION_STRING, AT(client_cert_bytes), .lines = true,
	 .env = {"BAO_CLIENT_CERT_BYTES", "VAULT_CLIENT_CERT_BYTES"},
	 .help = "the certificate itself, where no client_cert is set"},
	{.type = OPTION_SECRET, AT(client_key_bytes),
	 .env = {"BAO_CLIENT_KEY_BYTES", "VAULT_CLIENT_KEY_BYTES"},
	 .help = "its key itself, where no client_key is set"},
	{.name = "tls_server_name", .meaning = "NAME", .type = OPTION_STRING, AT(tls_server_name),
	 .env = {"BAO_TLS_SERVER_NAME", "VAULT_TLS_SERVER_NAME"},
	 .help = "name that the server's certificate must have, if not the address's"},
	{.name = "tls_skip_verify", .type = OPTION_BOOL, AT(tls_skip_verify),
	 .env = {"BAO_SKIP_VERIFY", "VAULT_SKIP_VERIFY"},
	 .help = "do not check the server's certificate: whoever is in between reads everything"},

	{.name = "proxy", .meaning = "URL", .type = OPTION_STRING, AT(proxy),
	 .env = {"BAO_PROXY_ADDR", "VAULT_PROXY_ADDR", "BAO_HTTP_PROXY", "VAULT_HTTP_PROXY"},
	 .help = "proxy for all requests, http://HOST:PORT; else as HTTPS_PROXY and NO_PROXY say"},
	{.name = "srv_lookup", .type = OPTION_BOOL, AT(srv_lookup),
	 .env = {"BAO_SRV_LOOKUP", "VAULT_SRV_LOOKUP"},
	 .help = "an address without a port is looked up in DNS, as SRV of _http._tcp.HOST"},
	{.type = OPTION_BOOL, AT(no_redirects),
	 .env = {"BAO_DISABLE_REDIRECTS", "VAULT_DISABLE_REDIRECTS"},
	 .help = "yes: a standby's redirect is not followed"},

	{.name = "timeout", .meaning = "TIME", .preset = "10s", .type = OPTION_DURATION, AT(timeout),
	 .env = {"BAO_CLIENT_TIMEOUT", "VAULT_CLIENT_TIMEOUT"},
	 .min = 100 * NS_PER_MS, .max = 10 * MINUTES,
	 .help = "longest time that a program waits for the server"},
	{.name = "max_retries", .meaning = "N", .preset = "2", .type = OPTION_NUMBER,
	 AT(max_retries), .env = {"BAO_MAX_RETRIES", "VAULT_MAX_RETRIES"}, .max = 100,
	 .help = "how often a request is made again when the server is busy or away"},
	{.name = "rate", .meaning = "N", .preset = "1000", .type = OPTION_RATE, AT(rate),
	 .env = {"BAO_RATE_LIMIT", "VAULT_RATE_LIMIT"}, .max = 1000000,
	 .help = "most requests a second; 0: no bound"},
	{.name = "parallel", .meaning = "N", .preset = "16", .type = OPTION_NUMBER, AT(parallel),
	 .min = 1, .max = 256,
	 .help = "most requests at the same time"},

	{.name = "ttl", .meaning = "TIME", .preset = "5m", .type = OPTION_DURATION, AT(ttl),
	 .max = 365 * DAYS,
	 .help = "how long what was read is fresh"},
	{.name = "watch", .meaning = "TIME", .preset = "10s", .type = OPTION_DURATION, AT(watch),
	 .max = 365 * DAYS,
	 .help = "how often to look whether what is in use has changed at the server; 0: never"},
	{.name = "negative_ttl", .meaning = "TIME", .preset = "5s", .type = OPTION_DURATION,
	 AT(negative_ttl), .max = 60 * MINUTES,
	 .help = "how long a name that was not there is taken not to be"},
	{.name = "max_stale", .meaning = "TIME", .preset = "1h", .type = OPTION_DURATION,
	 AT(max_stale), .max = 365 * DAYS,
	 .help = "how long after its ttl a value is still served while the server does not answer"},
	{.name = "env", .meaning = "off|fallback|override|only", .preset = "off",
	 .type = OPTION_CHOICE, .choices = "off fallback override only", AT(env),
	 .help = "whether variables of the environment stand for fields: those that the server has not, "
		 "before the server, or with no server at all"},
	{.type = OPTION_CHOICE, .choices = "vault env", AT(secret_manager),
	 .env = {"SECRET_MANAGER_TYPE"},
	 .help = "vault or env; env: as USE_VAULT=no, which goes before it"},
	{.type = OPTION_BOOL, .preset = "yes", AT(use_vault), .env = {"USE_VAULT"},
	 .help = "no: as env=only"},
	{.name = "env_file", .meaning = "FILE", .type = OPTION_FILE, AT(env_file),
	 .help = "variables from a .env file too; the environment's own come first"},
	{.name = "env_map", .meaning = "FILE", .type = OPTION_FILE, AT(env_map),
	 .help = "JSON, PATH/FIELD to variable; else database/url is DATABASE_URL"},
	{.name = "defaults", .meaning = "FILE", .type = OPTION_FILE, AT(defaults),
	 .help = "JSON, PATH to fields: what is shown where nothing else has it"},

	{.name = "offline", .meaning = "FILE", .type = OPTION_FILE, AT(offline),
	 .help = "keep what was read there, sealed with offline_key, for when no server answers"},
	{.name = "offline_size", .meaning = "SIZE", .preset = "16M", .type = OPTION_SIZE,
	 AT(offline_size), .min = 64 << 10, .max = 1024ull * MIB,
	 .help = "most that the offline copy holds; what was kept first goes first"},
	{.name = "cache_size", .meaning = "SIZE", .preset = "16M", .type = OPTION_SIZE,
	 AT(cache_size), .min = 64 << 10, .max = 4096ull * MIB,
	 .help = "most memory for what was read"},
	{.name = "max_size", .meaning = "SIZE", .preset = "1M", .type = OPTION_SIZE, AT(max_size),
	 .min = 1, .max = 32 * MIB,
	 .help = "longest value that may be written"},

	{.name = "ro", .type = OPTION_BOOL, AT(read_only), .help = "read only"},
	{.name = "fast_open", .type = OPTION_BOOL, AT(fast_open),
	 .help = "with ro: opens stay in the kernel, at the price that the manual names"},
	{.name = "io_uring", .type = OPTION_BOOL, AT(io_uring),
	 .help = "requests of the kernel come by io_uring: needs libfuse 3.18 and a kernel that allows it"},
	{.name = "uid", .meaning = "USER", .type = OPTION_USER, AT(uid),
	 .help = "owner of the files, by name or number; default: who mounts"},
	{.name = "gid", .meaning = "GROUP", .type = OPTION_GROUP, AT(gid),
	 .help = "group of the files, by name or number; default: who mounts"},
	{.name = "mode", .meaning = "MODE", .preset = "0600", .type = OPTION_MODE, AT(mode),
	 .help = "permissions of fields"},
	{.name = "dir_mode", .meaning = "MODE", .preset = "0700", .type = OPTION_MODE, AT(dir_mode),
	 .help = "permissions of directories"},
	{.name = "allow_other", .type = OPTION_BOOL, AT(allow_other),
	 .help = "other users may use the mount, as owner, group and mode allow"},
	{.name = "auto_unmount", .meaning = "yes|no", .preset = "no", .type = OPTION_BOOL,
	 AT(auto_unmount),
	 .help = "unmount even when the daemon is killed, and uncover the directory below"},
	{.name = "rmdir", .meaning = "hide|purge", .preset = "hide", .type = OPTION_CHOICE,
	 .choices = "hide purge", AT(rmdir),
	 .help = "what rmdir does with an emptied secret: hide it, or remove all its versions"},
	{.name = "conflict", .meaning = "merge|strict", .preset = "merge", .type = OPTION_CHOICE,
	 .choices = "merge strict", AT(conflict),
	 .help = "strict: refuse to overwrite a field that somebody else has changed meanwhile"},

	{.name = "newline", .meaning = "keep|strip", .preset = "keep", .type = OPTION_CHOICE,
	 .choices = "keep strip", AT(newline),
	 .help = "strip: the one newline that ends a value of a single line is not stored"},
	{.name = "binary", .meaning = "base64|reject", .preset = "base64", .type = OPTION_CHOICE,
	 .choices = "base64 reject", AT(binary),
	 .help = "values that are no text: store them in base64, marked, or refuse them"},
	{.name = "scratch", .meaning = "PATTERN:...",
	 .preset = ".*.sw?:.*.swpx:*~:#*#:.#*:.goutputstream-*", .type = OPTION_STRING, AT(scratch),
	 .empties = true,
	 .help = "names of files that stay in memory, and never reach the server; empty: none"},
	{.name = "scratch_max", .meaning = "SIZE", .preset = "16M", .type = OPTION_SIZE,
	 AT(scratch_max), .max = 1024ull * MIB,
	 .help = "most memory for scratch files and for writes that met a conflict"},
	{.name = "unlink_grace", .meaning = "MS", .preset = "0", .type = OPTION_NUMBER,
	 AT(unlink_grace), .max = 10000,
	 .help = "how long a removed field waits to be made anew, so that both are one version"},

	{.name = "log", .meaning = "auto|stderr|journal|syslog", .preset = "auto",
	 .type = OPTION_STRING, AT(log),
	 .help = "where the log goes; auto: stderr with -f, else the journal, else syslog"},
	{.name = "log_format", .meaning = "text|json", .preset = "text", .type = OPTION_STRING,
	 AT(log_format), .help = "how a line of the log looks"},
	{.name = "log_level", .meaning = "error|warning|info|debug", .preset = "info",
	 .type = OPTION_STRING, AT(log_level), .env = {"BAO_LOG_LEVEL", "VAULT_LOG_LEVEL"},
	 .help = "how much is logged"},

	{.name = "rw", .type = OPTION_IGNORED, .help = "not read only: the default"},
};
/* clang-format on */

const struct option *option_table(size_t *count)
{
	*count = ARRAY_SIZE(table);
	return table;
}

const struct option *option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].name && strlen(table[i].name) == len &&
		    !memcmp(table[i].name, name, len))
			return &table[i];
	return NULL;
}

static int parse_bool(const char *s, bool *out)
{
	static const char *const yes[] = {"", "1", "t", "true", "y", "yes", "on"};
	static const char *const no[] = {"0", "f", "false", "n", "no", "off"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!strcasecmp(s, yes[i]))
			return *out = true, 0;
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (!strcasecmp(s, no[i]))
			return *out = false, 0;
	return -EINVAL;
}

static int parse_number(const char *s, int base, uint64_t *out)
{
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, base);
	return errno || *end ? -EINVAL : 0;
}

/* "10", or "0.5:20" as in the official clients; less than one becomes one. */
static int parse_rate(const char *s, uint64_t *out)
{
	char *end;
	double rate;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	rate = strtod(s, &end);
	if (*end == ':')
		end += 1 + strspn(end + 1, "0123456789");
	if (*end || !(rate < 1e9))
		return -EINVAL;
	*out = (uint64_t)rate;
	*out += (double)*out < rate;
	return 0;
}

static int parse_size(const char *s, uint64_t *out)
{
	static const char units[] = {'K', 'M', 'G'};
	const char *unit;
	size_t shift;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &end, 10);
	unit = memchr(units, toupper((unsigned char)*end), sizeof(units));
	shift = unit ? 10 * (size_t)(unit - units + 1) : 0;
	if (unit)
		end += !strcmp(end + 1, "iB") ? 3 : 1;
	if (*end)
		return -EINVAL;
	if (errno || *out > UINT64_MAX >> shift)
		return -ERANGE;
	*out <<= shift;
	return 0;
}

static int parse_user(const char *s, uint64_t *out)
{
	const struct passwd *p;

	if (parse_number(s, 10, out) == 0)
		return *out < UINT32_MAX ? 0 : -EINVAL;
	p = getpwnam(s);
	if (!p)
		return -EINVAL;
	*out = p->pw_uid;
	return 0;
}

static int parse_group(const char *s, uint64_t *out)
{
	const struct group *g;

	if (parse_number(s, 10, out) == 0)
		return *out < UINT32_MAX ? 0 : -EINVAL;
	g = getgrnam(s);
	if (!g)
		return -EINVAL;
	*out = g->gr_gid;
	return 0;
}

static int parse_choice(const char *s, const char *choices, uint64_t *out)
{
	size_t len = strlen(s);
	uint64_t index = 0;

	for (const char *p = choices; *p; p += *p == ' ', index++) {
		size_t n = strcspn(p, " ");

		if (n == len && !memcmp(p, s, n))
			return *out = index, 0;
		p += n;
	}
	return -EINVAL;
}

static int set_string(char **to, const char *value)
{
	char *copy = *value ? strdup(value) : NULL;

	if (*value && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int set_file(char **to, const char *value)
{
	_cleanup_free_ char *here = NULL, *path = NULL;

	if (!*value || *value == '/' || !strcmp(value, "-"))
		return set_string(to, value);
	here = getcwd(NULL, 0);
	if (!here || asprintf(&path, "%s/%s", here, value) < 0)
		return -ENOMEM;
	return set_string(to, path);
}

static int add_address(struct conf *c, char **to, const char *value)
{
	_cleanup_free_ char *both = NULL;
	bool first = !c->layer || c->address_layer != c->layer;

	c->address_layer = c->layer;
	if (first || !*to)
		return set_string(to, value);
	return asprintf(&both, "%s,%s", *to, value) < 0 ? -ENOMEM : set_string(to, both);
}

static const char *const expected[] = {
	[OPTION_STRING] = "a value",
	[OPTION_ADDRESSES] = "an address",
	[OPTION_FILE] = "a file",
	[OPTION_BOOL] = "yes or no",
	[OPTION_NUMBER] = "a number",
	[OPTION_RATE] = "a number",
	[OPTION_SIZE] = "a size: 65536, 512K, 16M",
	[OPTION_DURATION] = "a time: 250ms, 10s, 5m, 1h",
	[OPTION_MODE] = "permissions, in octal: 0640",
	[OPTION_USER] = "a user, by name or number",
	[OPTION_GROUP] = "a group, by name or number",
	[OPTION_CHOICE] = "one of",
	[OPTION_SECRET] = "",
	[OPTION_IGNORED] = "",
};

/* Parses the types whose value is a number or stands for one. */
static int parse_scalar(const struct option *o, const char *value, uint64_t *to)
{
	uint64_t n = 0;
	int r = 0;

	switch (o->type) {
	case OPTION_NUMBER:
		r = parse_number(value, 10, &n);
		break;
	case OPTION_RATE:
		r = parse_rate(value, &n);
		break;
	case OPTION_SIZE:
		r = parse_size(value, &n);
		break;
	case OPTION_DURATION:
		r = clock_parse_duration(value, &n);
		break;
	case OPTION_MODE:
		r = parse_number(value, 8, &n);
		if (n > 0777)
			r = -EINVAL;
		break;
	case OPTION_USER:
		r = parse_user(value, &n);
		break;
	case OPTION_GROUP:
		r = parse_group(value, &n);
		break;
	case OPTION_CHOICE:
		r = parse_choice(value, o->choices, &n);
		break;
	default:
		r = -EINVAL;
	}
	if (r == 0 && o->max && (n < o->min || n > o->max))
		return -ERANGE;
	if (r == 0)
		*to = n;
	return r;
}

static int parse_value(struct conf *c, const struct option *o, const char *value)
{
	void *to = (char *)c + o->offset;

	switch (o->type) {
	case OPTION_STRING:
		return set_string(to, *value || !o->preset || o->empties ? value : o->preset);
	case OPTION_ADDRESSES:
		return add_address(c, to, value);
	case OPTION_FILE:
		return set_file(to, value);
	case OPTION_BOOL:
		return parse_bool(value, to);
	case OPTION_SECRET:
		return -EINVAL;
	case OPTION_IGNORED:
		return 0;
	default:
		return parse_scalar(o, value, to);
	}
}

/* Says why the value is refused. */
static int refuse(const struct option *o, const char *value, int r, struct err *err)
{
	const char *name = o->name ? o->name : o->env[0];

	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "no memory");
	if (r == -ERANGE)
		return err_set(err, EINVAL, "%s=%s is out of bounds", name, value);
	return err_set(err, EINVAL, "%s=%s: expected %s%s%s", name, value, expected[o->type],
		       o->choices ? " " : "", o->choices ? o->choices : "");
}

int option_parse(const struct option *o, const char *value, uint64_t *to, struct err *err)
{
	int r = parse_scalar(o, value, to);

	return r < 0 ? refuse(o, value, r, err) : 0;
}

static bool takes_place(const struct option *o, size_t offset)
{
	return o->replaces[0] == offset || o->replaces[1] == offset;
}

void option_replace(struct conf *c, const struct option *o)
{
	for (size_t i = 0; i < ARRAY_SIZE(o->replaces); i++)
		if (o->replaces[i])
			free(steal(*(char **)((char *)c + o->replaces[i])));
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].type == OPTION_SECRET && table[i].offset != o->offset &&
		    takes_place(&table[i], o->offset))
			secret_put(steal(*(struct secret **)((char *)c + table[i].offset)));
}

/* Values end up in HTTP headers, in URLs and in our output: a line break in a namespace would begin
 * another header. */
static bool has_control(const struct option *o, const char *value)
{
	if (!value || o->lines || (o->type != OPTION_STRING && o->type != OPTION_ADDRESSES))
		return false;
	for (; *value; value++)
		if ((unsigned char)*value < ' ' || *value == 0x7f)
			return true;
	return false;
}

int option_set(struct conf *c, const struct option *o, const char *value, struct err *err)
{
	_cleanup_free_ char *tidy = NULL;
	int r;

	if (value && o->type == OPTION_ADDRESSES) {
		value = tidy = address_tidy(value);
		if (!value)
			return err_set(err, ENOMEM, "no memory");
	}
	if (has_control(o, value))
		return err_set(err, EINVAL,
			       "%s holds a control character, such as a line break: leave it out",
			       o->name ? o->name : o->env[0]);
	if (!value && o->type != OPTION_BOOL && o->type != OPTION_IGNORED)
		return err_set(err, EINVAL, "%s needs a value: %s=%s", o->name, o->name,
			       o->meaning);
	r = parse_value(c, o, value ? value : "");
	if (r < 0)
		return refuse(o, value, r, err);
	if (value && *value)
		option_replace(c, o);
	return 0;
}
