"""The pruner: removes history items and images that nobody uses, on the ImagePruner's schedule."""
