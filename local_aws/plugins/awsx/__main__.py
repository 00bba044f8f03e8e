"""The plugin's process: `python -m local_aws.plugins.awsx`."""

from local_aws.plugins.awsx.servicer import ComponentServicer
from local_aws.plugins.framework.serve import serve

if __name__ == "__main__":
    serve(ComponentServicer())
