"""Virtual kinds about callers: access reviews, who am I, tokens, and projects."""
