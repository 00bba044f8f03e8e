"""All tests start from the same environment: not from the account, backend or local AWS of whoever runs them."""

import os

KEPT = ("LOCAL_AWS_BASE_IMAGE", "LOCAL_AWS_WITHOUT")

for name in list(os.environ):
    if name.startswith(("AWS_", "LOCAL_AWS_", "PULUMI_")) and name not in KEPT:
        del os.environ[name]
