#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The unit tests, from the directory of the build, as TAP.
exec tests/unit/unit --tap
