"""template.openshift.io/v1: templates as they are kept, and how one is processed into objects."""
