"""Who calls, and what they may do: tokens, certificates, RBAC and the roles we start with."""
