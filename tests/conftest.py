"""All tests start from the same environment: not from the account, backend or local AWS of whoever runs them."""

import os

KEPT = ("KIT_AXE", "KIT_BASE_IMAGE", "KIT_BROWSER", "KIT_EXAMPLES", "LOCAL_AWS_BASE_IMAGE")
"""What tests are told by whoever runs them."""

for name in list(os.environ):
    if name.startswith(("AWS_", "KIT_", "LOCAL_AWS_", "PULUMI_")) and name not in KEPT:
        del os.environ[name]
