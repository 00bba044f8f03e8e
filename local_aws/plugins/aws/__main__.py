"""The plugin's process: `python -m local_aws.plugins.aws`."""

from local_aws.plugins.aws.registry import provider
from local_aws.plugins.framework.serve import serve
from local_aws.plugins.framework.servicer import ProviderServicer

if __name__ == "__main__":
    serve(ProviderServicer(provider(), "7.51.1"))
