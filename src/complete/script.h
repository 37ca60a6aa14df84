/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPLETE_SCRIPT_H
#define COMPLETE_SCRIPT_H

/* The code that completes our command line; the tables are printed before it. */
extern const char script_bash[], script_zsh[];

#endif
