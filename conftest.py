"""The local AWS for tests. It is named here because pytest takes plugins from the topmost conftest alone."""

pytest_plugins = ["local_aws.testing"]
