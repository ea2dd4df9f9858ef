FROM base
SHELL ["/s", "-c"]
