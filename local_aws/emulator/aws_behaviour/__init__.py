"""Where MiniStack differs from AWS, corrected. `local_aws/README.md` lists the corrections.

Each module holds the corrections of one subject and names AWS's documentation of it. `installation.every_correction`
lists them by name, and `installation.install` installs them, in the emulator's own process, before it serves. The
environment variable `LOCAL_AWS_WITHOUT` names corrections that are left out, with commas between them.
"""
