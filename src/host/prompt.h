/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROMPT_H
#define HOST_PROMPT_H

#include "base/err.h"
#include "base/secret.h"

/* Asks whoever sits at the terminal for a line, and does not show what is typed. 0; -ENOTTY where
 * there is no terminal; -ENODATA for an empty line. */
int prompt_secret(const char *question, struct secret **out, struct err *err);

#endif
