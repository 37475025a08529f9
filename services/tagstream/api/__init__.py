"""The Kubernetes REST front: serves image.openshift.io/v1 and the generic kinds around it."""
