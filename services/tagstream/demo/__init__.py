"""`tagstream demo`: the main job, done for real on this machine and told step by step.

Owns the story, the small registry it pushes to and its own temporary stack, which it runs through
the command line like anybody else. No other service knows of it.
"""
