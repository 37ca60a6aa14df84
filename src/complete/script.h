/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPLETE_SCRIPT_H
#define COMPLETE_SCRIPT_H

/* What a shell runs to complete our command line, but for the tables, which stand before it. */
extern const char script_bash[], script_zsh[];

#endif
