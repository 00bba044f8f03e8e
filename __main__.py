"""The program's entry for `pulumi up`."""

from components.program import program

program()
