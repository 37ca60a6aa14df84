// SPDX-License-Identifier: Apache-2.0
/* The leader of a cluster, named by one of its members and confirmed by itself. Asked for when an
 * answer is in doubt, and before a request that a lagging server would refuse. */

#include "vault/leader.h"

#include "base/clock.h"
#include "http/http.h"
#include "vault/servers.h"

#include <string.h>

#define REACH_TIME   NS_PER_SEC	      /* for the leader to confirm that it leads */
#define OTHER_TIME   (5 * NS_PER_SEC) /* how long another leader is remembered */
#define ITSELF_TIME  (30 * NS_PER_SEC)
#define UNKNOWN_TIME (10 * NS_PER_SEC)

/* Whether a token that is meant for `asked` may be sent to `leader` too. */
static bool may_ask(const struct vault *v, const char *asked, const char *leader)
{
	bool tls = !strncmp(leader, "https://", 8);

	if (!servers_redirects(vault_servers(v)) || http_check_address(leader, NULL) < 0)
		return false;
	return tls || (!strncmp(leader, "http://", 7) && !strncmp(asked, "http://", 7));
}

static bool holds_leader(const cJSON *json)
{
	return cJSON_IsBool(json_get(json, "ha_enabled"));
}

/* LEADER_ELSEWHERE with *other, heap, if the server names one. *by: the server that answered. */
static enum leader ask(struct vault *v, const char *asked, struct limit limit, char **other,
		       const char **by)
{
	_cleanup_answer_ struct vault_answer answer = {0};
	struct vault_call call = {.method = "GET",
				  .path = "sys/leader",
				  .anonymous = true,
				  .plain = true,
				  .once = true,
				  .holds = holds_leader,
				  .address = asked,
				  .limit = limit};
	const char *leader;

	if (vault_call(v, &call, &answer, NULL) < 0)
		return LEADER_UNKNOWN;
	*by = answer.address;
	if (json_get_bool(answer.json, "is_self") || !json_get_bool(answer.json, "ha_enabled"))
		return LEADER_ITSELF;
	leader = json_get_str(answer.json, "leader_address");
	*other = leader && *leader ? strdup(leader) : NULL;
	for (size_t n = *other ? strlen(*other) : 0; n && (*other)[n - 1] == '/'; n--)
		(*other)[n - 1] = '\0';
	return *other ? LEADER_ELSEWHERE : LEADER_UNKNOWN;
}

enum leader leader_find(struct vault *v, const char *asked, struct limit limit, char **address)
{
	_cleanup_free_ char *other = NULL, *third = NULL;
	uint64_t now = clock_mono();
	const char *by = NULL;
	enum leader r;

	*address = NULL;
	if (limit.deadline > now + REACH_TIME)
		limit.deadline = now + REACH_TIME;
	r = ask(v, asked, limit, &other, &by);
	if (r != LEADER_ELSEWHERE)
		return r;
	if (!may_ask(v, by, other) || ask(v, other, limit, &third, &by) != LEADER_ITSELF)
		return LEADER_UNKNOWN;
	*address = steal(other);
	return LEADER_ELSEWHERE;
}

void leader_memory_init(struct leader_memory *m)
{
	*m = (struct leader_memory){0};
	lock_init(&m->lock, LOCK_LEADER);
}

void leader_memory_fini(struct leader_memory *m)
{
	free(m->address);
	lock_fini(&m->lock);
}

static bool recall(struct leader_memory *m, enum leader *found, char **address)
{
	LOCK_SCOPE(&m->lock);

	if (clock_mono() >= m->until)
		return false;
	*found = m->found;
	*address = m->address ? strdup(m->address) : NULL;
	return true;
}

enum leader leader_recall(struct leader_memory *m, struct vault *v, struct limit limit,
			  char **address)
{
	static const uint64_t times[] = {[LEADER_ITSELF] = ITSELF_TIME,
					 [LEADER_ELSEWHERE] = OTHER_TIME,
					 [LEADER_UNKNOWN] = UNKNOWN_TIME};
	enum leader found;

	*address = NULL;
	if (recall(m, &found, address))
		return *address || found != LEADER_ELSEWHERE ? found : LEADER_UNKNOWN;
	found = leader_find(v, NULL, limit, address);
	lock_acquire(&m->lock);
	free(m->address);
	m->address = *address ? strdup(*address) : NULL;
	m->found = found;
	m->until = clock_mono() + times[found];
	lock_release(&m->lock);
	return found;
}

void leader_forget(struct leader_memory *m)
{
	LOCK_SCOPE(&m->lock);

	m->until = 0;
}
