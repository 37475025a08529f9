"""Mixed load on a stack whose processes are killed all the time, and the books kept about it.

Started with `make soak`. Nothing acknowledged may be lost, nothing may happen twice, and memory
stays flat.
"""
