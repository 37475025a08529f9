"""trigger-dispatcher: makes workloads follow image stream tags."""
