"""The kinds of image.openshift.io/v1: what is ours on the wire."""
