/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KV_RIGHTS_H
#define KV_RIGHTS_H

enum { /* what a token may do with a path */
       KV_CREATE = 1,
       KV_READ = 2,
       KV_UPDATE = 4,
       KV_DELETE = 8,
       KV_LIST = 16,
       KV_PATCH = 32,
};

/* Whether it may do anything with a path, or with one below it. */
enum kv_reach { KV_REACH_NO, KV_REACH_YES, KV_REACH_UNKNOWN };

#endif
