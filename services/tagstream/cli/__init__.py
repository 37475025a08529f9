"""The `tagstream` command: run a stack or one service, look at it, pause its triggers.

Owns arguments and output. What a command does is in `tagstream.embedded` or in a module beside the
command; every module but the group is imported only when its command runs.
"""
