"""parliament, which finds what is wrong in IAM policies."""

import functools
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports pkg_resources, which is deprecated
    import parliament


@functools.cache
def findings(document: str) -> set[tuple[str, str]]:
    """What parliament finds in a policy's JSON: its issue, with the action or the text, an entry for each."""
    found = parliament.analyze_policy_string(document, ignore_private_auditors=True).findings
    details = [(each.issue, each.detail if isinstance(each.detail, list) else [each.detail]) for each in found]
    return {
        (issue, str(entry["action"] if isinstance(entry, dict) else entry))
        for issue, entries in details
        for entry in entries
    }
