/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "conf/rule.h"

#include <stdint.h>
#include <sys/types.h>

/* All configuration, as values. Strings are heap, NULL if not set; times are in nanoseconds, sizes
 * in bytes. The rows of conf/option.c describe each. */
struct conf {
	char *source;
	char *address, *server_namespace; /* one address, or several with commas between them */
	unsigned layer, address_layer;	  /* the layer being read; the one that set the address */
	char *ca_cert, *ca_path, *client_cert, *client_key, *tls_server_name;
	char *ca_bytes, *client_cert_bytes;
	struct secret *client_key_bytes;
	bool tls_skip_verify, no_redirects, srv_lookup;
	char *proxy;
	char *auth, *auth_mount, *role;
	struct secret *token, *role_id, *secret_id, *jwt, *password;
	char *token_command;
	char *token_file, *home_token_file, *role_id_file, *secret_id_file, *jwt_file,
		*password_file;
	uint64_t secret_id_wrapped; /* index of its choice */
	char *username;
	struct secret *aws_key_id, *aws_secret_key, *aws_session_token;
	char *aws_credentials_file, *aws_profile, *aws_metadata, *aws_region, *aws_server_id;
	char *aws_identity_file, *aws_role_arn, *aws_session_name, *aws_sts;
	char *aws_container_path, *aws_container_url, *aws_container_token_file;
	struct secret *aws_container_token;
	uint64_t oidc_port;
	char *token_cache, *offline_key, *offline, *key;
	uint64_t offline_size;
	bool revoke;
	uint64_t timeout, ttl, negative_ttl, max_stale, watch;
	uint64_t env; /* index of its choice */
	char *env_file, *env_map, *defaults;
	uint64_t secret_manager; /* index of its choice: another name for use_vault */
	bool use_vault;
	uint64_t max_retries, rate, parallel;
	uint64_t cache_size, max_size;
	uint64_t uid, gid, mode, dir_mode;
	bool read_only, fast_open, io_uring, allow_other, auto_unmount;
	uint64_t kv_version; /* 0: ask the server */
	char *engine;
	uint64_t rmdir, conflict, newline, binary; /* indexes of their choices */
	char *scratch;
	uint64_t scratch_max, unlink_grace; /* bytes; ms */
	char *log, *log_format, *log_level;
	struct rule *rules; /* from the file's sections */
	struct on_change *hooks;
};

enum { CONF_ENV_OFF, CONF_ENV_FALLBACK, CONF_ENV_OVERRIDE, CONF_ENV_ONLY };
enum { CONF_MANAGER_VAULT, CONF_MANAGER_ENV };
enum { CONF_WRAPPED_AUTO, CONF_WRAPPED_YES, CONF_WRAPPED_NO };
enum { CONF_RMDIR_HIDE, CONF_RMDIR_PURGE };
enum { CONF_CONFLICT_MERGE, CONF_CONFLICT_STRICT };
enum { CONF_NEWLINE_KEEP, CONF_NEWLINE_STRIP };
enum { CONF_BINARY_BASE64, CONF_BINARY_REJECT };

#define CONF_SYSTEM_FILE "/etc/vaultfs.conf"

/* Reads all layers: defaults, `file` (NULL: the system's, if there is one), the environment,
 * `options` (NULL: none). 0, -ENOMEM, or an error of the layers below; conf_fini() in any case. */
int conf_read(struct conf *c, const char *file, const char *options, struct err *err);

/* Sets the log's level from log_level. */
int conf_set_log_level(const struct conf *c, struct err *err);

/* Sets every option's default. 0 or -ENOMEM. */
int conf_init(struct conf *c, struct err *err);
void conf_fini(struct conf *c);

/* The layers, weakest first; each overrides the ones before it. 0 or -EINVAL with a sentence that
 * names the layer, the option and the values that it takes. */
int conf_read_file(struct conf *c, const char *path, struct err *err);
/* Also takes the credentials out of the environment: zeroes their bytes where the process received
 * them, since /proc/PID/environ shows them there. */
int conf_read_environment(struct conf *c, struct err *err);
/* "ttl=1m,ro": the argument of -o; "\," is a comma. */
int conf_read_options(struct conf *c, const char *options, struct err *err);

#endif
