"""The plugin's process: `python -m automation.local.plugins.awsx`."""

from automation.local.plugins.awsx.servicer import ComponentServicer
from automation.local.plugins.framework.serve import serve

if __name__ == "__main__":
    serve(ComponentServicer())
