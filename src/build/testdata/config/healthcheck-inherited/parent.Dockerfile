FROM base
HEALTHCHECK --retries=2 CMD x
