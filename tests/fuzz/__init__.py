"""Every parser of foreign bytes, fed with what nobody would write.

``python -m tests.fuzz --cases 1000000`` shares the cases out among `tests.fuzz.targets.TARGETS`,
each in a process of its own, guided by coverage where atheris is installed (``[security]``).  What
it keeps in ``--corpus`` is what reached new code; a small part of that lies in
``tests/fuzz/corpus`` and is read again by every run of the tests.
"""
