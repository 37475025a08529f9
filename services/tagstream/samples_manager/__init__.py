"""Keeps the sample image streams and templates of a library in namespace openshift."""
