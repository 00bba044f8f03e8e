"""The driver's command line: options in, exit status out."""
