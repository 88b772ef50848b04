def format_tensor(values, **kw):
    return f"tensor({values.tolist()})"


def format_scalar(value, spec):
    return format(value, spec)
