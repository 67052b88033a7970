"""Power cuts at the level of the disk: what was acknowledged must be there afterwards.

A workload runs in an ext4 file system on a loop device over a file that a FUSE process records:
every write, every flush, and every acknowledgement of the workload, in their order.  Then the
record is cut at random places: what was flushed is on the disk, each 4 KiB piece written since is
there or not by the toss of a coin.  The file system of that disk is mounted, as after a start, and
the store is asked for everything that was acknowledged before the cut.

``python -m tests.powercut --help``; needs root, /dev/fuse and loop devices.
"""
