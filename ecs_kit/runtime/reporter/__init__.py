"""The Run Reporter: writes the page of a run that has ended. The driver writes the same pages.

`run_state` reads a run, `reading` what its page needs besides, `data` makes the page's data, `page` the page itself.
"""
