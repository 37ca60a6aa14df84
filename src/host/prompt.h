/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_PROMPT_H
#define HOST_PROMPT_H

#include "base/err.h"
#include "base/secret.h"

/* Asks the person at the terminal for a line, without echo. 0; -ENOTTY if there is no terminal;
 * -ENODATA for an empty line. */
int prompt_secret(const char *question, struct secret **out, struct err *err);

#endif
