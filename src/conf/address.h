/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ADDRESS_H
#define CONF_ADDRESS_H

/* Addresses as people write them: from a file of variables with CR LF at the end of its lines, from
 * a command substitution, with a scheme in capitals (RFC 3986, 3.1: case does not matter). */

/* "HTTPS://a:8200\r\n" as "https://a:8200", for each address of a comma-separated list. Blanks
 * within an address stay. Heap; NULL: no memory. */
char *address_tidy(const char *list);

#endif
