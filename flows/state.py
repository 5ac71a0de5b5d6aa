LIMITS: dict[str, int | str] = {}
