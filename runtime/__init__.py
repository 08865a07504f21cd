"""Actors in general: mailboxes, refs, topics, supervisors, time. Knows nothing of exchanges."""

if __name__ == "runtime":  # imported from the checkout's top level instead of as a part of dogwatch
    raise ImportError("import 'dogwatch.runtime', not 'runtime': the folder is a part of the dogwatch package")
