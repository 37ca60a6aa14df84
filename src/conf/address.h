/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_ADDRESS_H
#define CONF_ADDRESS_H

/* Addresses as people hand them over: a file of variables with CR LF at the end of its lines, a command
 * substitution, a scheme in capitals, which RFC 3986 (3.1) takes for the same. */

/* "HTTPS://a:8200\r\n" as "https://a:8200". Each of a list with commas; what is within an address stays.
 * Heap; NULL: no memory. */
char *address_tidy(const char *list);

#endif
