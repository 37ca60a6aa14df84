# SPDX-License-Identifier: Apache-2.0
"""Python modules that Debian packages, also for a Python that is not Debian's own."""

import importlib
import sys

PACKAGES = "/usr/lib/python3/dist-packages"


def module(name):
    """None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        pass
    sys.path.append(PACKAGES)
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
    finally:
        sys.path.remove(PACKAGES)
