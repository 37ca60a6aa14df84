// SPDX-License-Identifier: Apache-2.0
// The real HashiCorp Vault, as a test server: the whole of it is its own command line.
package main

import (
	"os"

	"github.com/hashicorp/vault/command"
)

func main() { os.Exit(command.Run(os.Args[1:])) }
