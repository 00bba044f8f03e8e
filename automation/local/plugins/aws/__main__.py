"""The plugin's process: `python -m automation.local.plugins.aws`."""

from automation.local.plugins.aws.registry import provider
from automation.local.plugins.framework.serve import serve
from automation.local.plugins.framework.servicer import ProviderServicer

if __name__ == "__main__":
    serve(ProviderServicer(provider(), "7.51.1"))
