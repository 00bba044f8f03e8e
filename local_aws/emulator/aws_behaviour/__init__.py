"""The differences of MiniStack from AWS that matter here, corrected.

Each module holds the corrections of one subject and names AWS's documentation of it. `patching` says how they are
declared, and `installation` installs them, in the emulator's own process, before it serves. The emulator does not
start with another version of MiniStack than the one that is recorded.
"""
