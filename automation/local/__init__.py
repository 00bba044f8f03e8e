"""The embedded AWS: emulator, container runtimes, provider plugins, Pulumi CLI."""
