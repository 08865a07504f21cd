"""What every encoder needs besides what msgspec knows."""


def plain(value: object) -> int:
    """What is written for a value that msgspec does not encode (`enc_hook`): the number, if it is an integer of a type
    of its own. TypeError for all else."""
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"a {type(value).__name__} cannot be encoded")
